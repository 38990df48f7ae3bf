"""Closed loop: each client submits a request to the product and waits for its result, again and again. The same technique
as the bare pipeline's own loop, so that the load costs the same on both sides.

    BENCH_API_KEY=… python bench/load.py URL SPACE CLIENTS SECONDS      (prints one JSON line)
"""

import asyncio
import json
import os
import sys
import time

import aiohttp


async def main() -> None:
    """Measure, and print the result."""
    url, space, clients, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    target = f"{url}/v1/spaces/{space}/requests"
    headers = {"Authorization": f"Bearer {os.environ['BENCH_API_KEY']}", "Prefer": "wait=60"}
    latencies: list[float] = []
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(60)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:

        async def once(name: str) -> None:
            async with session.post(target, json={"input": {"prompt": f"p{name}"}}) as response:
                answer = await response.json(content_type=None)
                if response.status != 201 or answer["status"] != "succeeded":
                    raise SystemExit(f"HTTP {response.status}: {str(answer)[:300]}")

        await once("0")
        end = time.perf_counter() + seconds

        async def client(number: int) -> None:
            count = 0
            while time.perf_counter() < end:
                began = time.perf_counter()
                await once(f"{number}-{count}")
                latencies.append(time.perf_counter() - began)
                count += 1

        began = time.perf_counter()
        await asyncio.gather(*[client(number) for number in range(clients)])
        took = time.perf_counter() - began
    print(json.dumps(summary(clients, latencies, took)))


def summary(clients: int, latencies: list[float], took: float) -> dict[str, float]:
    """The result: latencies in seconds come out as milliseconds."""
    ordered = sorted(latencies)

    def quantile(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3, 2)

    rate = round(len(ordered) / took, 1)
    return {"clients": clients, "done": len(ordered), "per_s": rate, "p50_ms": quantile(0.5), "p99_ms": quantile(0.99)}


if __name__ == "__main__":
    asyncio.run(main())
