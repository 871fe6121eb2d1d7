"""Agents in containers: the client's own and the server's."""
import asyncio
import time

import aiomas
import aiomas.rpc
import arrow

from scenario import expect, expect_disconnect, expect_failure, scenario
from services import Echo

DATES = ['2010-03-27T00:00:00+01:00', '2017-12-29T13:37:42.123456+00:00', '1969-12-31T23:59:59.999999-11:30',
         '0001-01-01T00:00:00+00:00', '9999-12-31T23:59:59+00:00']


@scenario('agent')
async def connect(server):
    async with server.container() as container:
        echo = await container.connect(server.url('0'))
        expect(str(echo), "EchoProxy('%s')" % server.url('0'))
        expect(await echo.echo('ohai'), 'ohai')
        expect(await echo.add(1, b=2), 3)
        expect(await echo.name(), 'Echo')
        expect(await echo.addr_of(), server.url('0'))
        await expect_failure(echo.fail('kaputt'), 'ValueError: kaputt')
        await expect_failure(echo.nope(), 'LookupError', 'Name "nope" not found in "agents/0"')
        caller = await container.connect(server.url('1'))
        expect(str(caller), "CallerProxy('%s')" % server.url('1'))
        expect(await caller.name(), 'Caller')
        expect(caller._channel is echo._channel, True)


@scenario('agent')
async def missing_agents(server):
    async with server.container() as container:
        await expect_disconnect(container.connect(server.url('99')))
        await expect_disconnect(container.connect(server.url('no/such')))
        expect(await (await container.connect(server.url('0'))).echo(1), 1)


@scenario('agent')
async def validate_aid(server):
    """Tests the first request of ``connect()``."""
    async with server.container() as container:
        echo = await container.connect(server.url('0'))
        root = aiomas.rpc.Proxy(echo._channel, '')
        for aid, name in [('0', 'Echo'), ('1', 'Caller'), ('2', 'Clock'), ('3', None), ('', None), ('00', None),
                          ('agents/0', None), (0, None)]:
            expect(await root.validate_aid(aid), name)


@scenario('agent')
async def dates(server):
    async with server.container() as container:
        echo = await container.connect(server.url('0'))
        for text in DATES:
            got = await echo.date(arrow.get(text))
            expect((type(got), str(got)), (arrow.Arrow, text))
        date = arrow.get('2016-02-28T23:59:30+01:00')
        expect(str(await echo.shift(date, 45)), '2016-02-29T00:00:15+01:00')
        expect(await echo.echo({'dates': [date, {'x': date}]}), {'dates': [date, {'x': date}]})


@scenario('agent')
async def pass_proxy(server):
    """The peer calls the agent that we pass to it, on the same connection, and passes itself to us."""
    async with server.container() as container:
        ours = Echo(container)
        echo = await container.connect(server.url('0'))
        expect(await echo.meet(ours), {'met': 'Echo'})
        for aid in '0', '1':
            proxy = await (await container.connect(server.url(aid))).me()
            expect(proxy._path, 'agents/' + aid)
            expect(await proxy.echo(5), 5)


@scenario('agent')
async def call_back_by_url(server):
    """The server's agent opens a new connection to our container."""
    async with server.container() as container:
        ours, also_ours = Echo(container), Echo(container)
        caller = await container.connect(server.url('1'))
        expect(await caller.call(ours.addr, 'add', [20, 22]), 42)
        expect(await caller.call(also_ours.addr, 'addr_of', []), also_ours.addr)
        expect(await caller.introduce(ours.addr), {'met': 'Caller'})
        await expect_failure(caller.call(ours.addr, 'nope', []), 'LookupError')


@scenario('agent')
async def connect_concurrently(server):
    async with server.container() as container:
        proxies = await asyncio.gather(*(container.connect(server.url(i % 2)) for i in range(50)))
        expect(await asyncio.gather(*(proxy.echo(i) for i, proxy in enumerate(proxies))), list(range(50)))


@scenario('agent')
async def two_containers(server):
    """Both containers have an agent ``0``; each connection leads to its own."""
    async with server.container() as one, server.container() as two:
        remotes = [await container.connect(server.url('0')) for container in (one, two)]
        met = await asyncio.gather(*(remote.meet(Echo(c)) for remote, c in zip(remotes, (one, two))))
        expect(met, [{'met': 'Echo'}] * 2)


@scenario('agent')
async def concurrent_1000(server):
    async with server.container() as container:
        echo = await container.connect(server.url('0'))
        expect(await asyncio.gather(*map(echo.echo, range(1000))), list(range(1000)))


@scenario('agent', clock='real')
async def real_clock(server):
    async with server.container() as container:
        clock = await container.connect(server.url('2'))
        now = await clock.utcnow()
        expect(now.utcoffset().total_seconds(), 0.0)
        expect(abs((now - arrow.utcnow()).total_seconds()) < 60, True)
        before, start = await clock.time(), time.monotonic()
        after = await clock.sleep(0.1)
        # At least the full time, within the resolution of the clocks; more on a busy machine.
        expect((time.monotonic() - start > 0.09, after - before > 0.09), (True, True))


@scenario('agent', clock='external')
async def external_clock(server):
    """Time advances only when a client sets it; the server has started it with 2020-01-01."""
    async with server.container() as container:
        clock = await container.connect(server.url('2'))
        start, now = arrow.get('2020-01-01T00:00:00+00:00'), await clock.time()
        expect(await clock.utcnow(), start.shift(seconds=now))
        # Each returns the clock's time at its end.
        sleeps = {10: [clock.sleep(10), clock.sleep_until(now + 10)],
                  30: [clock.sleep(20), clock.sleep_until(start.shift(seconds=now + 20))]}
        await clock.time()  # once it is answered, all sleepers have started
        for passed in 5, 10, 15, 30:
            await clock.set_time(now + passed)
            for end, calls in sleeps.items():
                if passed >= end:
                    expect(await asyncio.gather(*calls), [now + end] * 2)
                expect([call.done() for call in calls], [passed >= end] * 2)
            for call in clock.set_time(now + passed), clock.sleep_until(now):
                await expect_failure(call, 'ValueError')
        expect(await clock.utcnow(), start.shift(seconds=now + 30))
