"""kmock's emulator of the Kubernetes API on a port of 127.0.0.1: objects in memory, without versions, conflicts or pages.

usage: kmock_server.py RESOURCE...      as kmock names them: v1/configmaps
"""

import asyncio
import sys

import kmock


async def main() -> None:
    async with kmock.KubernetesEmulator() as emulator, kmock.Server(emulator, host="127.0.0.1") as server:
        for resource in sys.argv[1:]:
            emulator.resources[resource] = {}
        print(f"listening on {server.port}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
