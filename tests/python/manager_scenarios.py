"""A manager, which spawns agents in the server's process and ends the process."""
import aiomas

from scenario import expect, expect_failure, scenario


@scenario('manager')
async def spawn_set_time_and_stop(server):
    async with server.container() as container:
        manager = await container.connect(server.url('0'))
        expect('ManagerProxy' in str(manager), True)
        for count, (name, kwargs, label) in enumerate([
                ('interop_agents:Spawned', {'suffix': '?'}, 'a?'),
                ('interop_agents:Spawned', {}, 'a'),
                ('interop_agents:Spawned.create', {}, 'a!')], 1):
            agent, url = await manager.spawn(name, 'a', **kwargs)
            expect((url, agent._path), (server.url(str(count)), 'agents/%d' % count))
            expect(await agent.get_label(), label)
            again = await container.connect(url)
            expect('SpawnedProxy' in str(again), True)
            expect(await again.get_label(), label)
        for name in 'nonsense', 'no_such_mod:X', 'interop_agents:Nope':
            await expect_failure(manager.spawn(name))
        await expect_failure(manager.spawn('interop_agents:Spawned'), 'TypeError')
        if server.clock == 'external':
            expect(await manager.set_time(5), None)
            for late in 5, 4, -1:
                await expect_failure(manager.set_time(late), 'ValueError')
        else:
            await expect_failure(manager.set_time(5))
        expect(await manager.stop(), None)
        try:
            while True:
                try:
                    await manager.spawn('nonsense')
                except aiomas.RemoteException:
                    pass  # the server has not ended yet
        except ConnectionError:
            pass
