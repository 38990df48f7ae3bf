"""Upload so many files at once, again and again, until SIGTERM.

BENCH_API_KEY=… python bench/uploading.py URL SPACE FILES MIB      (prints one JSON line)
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator

import aiohttp

PIECE = os.urandom(64 * 1024)
PER_MIB = 1024 * 1024 // len(PIECE)


async def main() -> None:
    """Upload, and print how many mebibytes a second came to."""
    url, space, files, mib = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    headers = {"Authorization": f"Bearer {os.environ['BENCH_API_KEY']}"}
    stop, done = asyncio.Event(), 0

    async def body() -> AsyncIterator[bytes]:
        for _ in range(mib * PER_MIB):
            yield PIECE

    async def uploader(session: aiohttp.ClientSession) -> None:
        nonlocal done
        while not stop.is_set():
            async with session.post(f"{url}/v1/files?space={space}", data=body()) as answer:
                stored = await answer.json(content_type=None)
                if answer.status != 201:
                    raise SystemExit(f"HTTP {answer.status}: {str(stored)[:300]}")
            done += mib
            async with session.delete(f"{url}/v1/files/{stored['id']}") as answer:
                if answer.status != 204:
                    raise SystemExit(f"HTTP {answer.status} to the deletion of a file")

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(300)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
        began = time.perf_counter()
        await asyncio.gather(*(uploader(session) for _ in range(files)))
        print(json.dumps({"mib_per_s": round(done / (time.perf_counter() - began), 1)}))


if __name__ == "__main__":
    asyncio.run(main())
