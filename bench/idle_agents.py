"""Agents that are connected and do nothing: they join the product, and show signs of life until they are ended.

WS_AGENT_KEY=… python bench/idle_agents.py URL SPACE COUNT      (prints a line when all have joined)
"""

import asyncio
import os
import sys

import aiohttp

from spaces_agent import frames

AT_ONCE = 20


async def main() -> None:
    """Join, say so, and stay."""
    url, space, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    headers = {"Authorization": f"Bearer {os.environ['WS_AGENT_KEY']}"}
    connector, gate = aiohttp.TCPConnector(limit=0), asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def join(number: int) -> aiohttp.ClientWebSocketResponse:
            async with gate:
                socket = await session.ws_connect(url + frames.CONNECT_PATH, protocols=[frames.SUBPROTOCOL])
                hello = frames.Hello(
                    agent_id=f"idle-{number}", boot_id=f"boot-{number}", spaces=[space], slots=1, state="draining"
                )
                await socket.send_str(frames.encode(hello).decode())
                welcome = frames.decode_gateway_frame(await socket.receive_str())
                if not isinstance(welcome, frames.Welcome):
                    raise SystemExit(f"not welcome: {welcome}")
                return socket

        sockets = await asyncio.gather(*map(join, range(count)))
        print("joined", flush=True)
        await asyncio.gather(*map(_live, sockets))


async def _live(socket: aiohttp.ClientWebSocketResponse) -> None:
    beat = frames.encode(frames.Heartbeat(state="draining")).decode()
    while True:
        await socket.send_str(beat)
        try:
            while True:
                await socket.receive(frames.HEARTBEAT_S)
        except TimeoutError:
            continue


if __name__ == "__main__":
    asyncio.run(main())
