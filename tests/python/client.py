"""A client that tests a server:
``client.py channel|rpc|agent|manager --addr ADDR --codec C [--serializers S] [--clock external]``.

The server may be server.py or any program with the same services.  Prints a line
``{"scenario": NAME, "ok": BOOL, "error": TEXT or null}`` for each scenario and
``{"summary": {"passed": N, "failed": N}}`` at the end; the status is 0 if all have passed.
"""
import asyncio

import peer
import agent_scenarios  # noqa: F401
import channel_scenarios  # noqa: F401
import manager_scenarios  # noqa: F401
import rpc_scenarios  # noqa: F401
from scenario import SCENARIOS, Server

TIMEOUT = 300  # seconds, for one scenario on a busy machine


async def main(args):
    server = Server(args)
    count = {True: 0, False: 0}
    for name, kind, types, clock, func in SCENARIOS:
        if kind != args.kind or types not in (None, args.serializers) or clock not in (None, args.clock):
            continue
        error = None
        try:
            await asyncio.wait_for(func(server), TIMEOUT)
        except Exception as failure:
            error = '%s: %s' % (type(failure).__name__, failure)
        count[error is None] += 1
        peer.report(scenario=name, ok=error is None, error=error)
    peer.report(summary={'passed': count[True], 'failed': count[False]})
    return 0 if count[True] and not count[False] else 1


if __name__ == '__main__':
    peer.run(main(peer.arguments(__doc__)))
