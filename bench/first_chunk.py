"""How long the first chunk takes from the handler's `yield` to a reader: through both processes of the agent, the gateway,
the stream OUTPUT on disk, and out again as a server-sent event.

One request after the other, each submitted with `Accept: text/event-stream`, so that its reader is there before its handler
starts. What is timed begins with the `yield` and ends when the reader has the `output` event; submission and assignment
are not in it. The aim is TARGET_MS at the median.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from bench.measured import FirstChunk, first_chunk
from bench.product_side import agent_command
from examples.stack import ProgramFailed, Stack, running_program, running_stack, wait_for_agent

REQUESTS, WARM_UP = 200, 20
TARGET_MS = 10.0
_TIMEOUT = aiohttp.ClientTimeout(30.0)


async def run(directory: Path) -> FirstChunk:
    """Measure on a fresh stack with fsync on each write. Raises ProgramFailed."""
    log = directory / "agent.log"
    async with running_stack(directory, "--nats-sync", "always") as (stack, _):
        command = agent_command(stack, directory, "bench.stamp:handle")
        async with running_program(command, log, {"WS_AGENT_KEY": stack.agent_key}):
            await wait_for_agent(stack, log)
            try:
                return await _measure(stack)
            except (aiohttp.ClientError, TimeoutError) as error:
                raise ProgramFailed(f"the stream of a request was broken: {error or type(error).__name__}") from error


async def _measure(stack: Stack) -> FirstChunk:
    headers = {"Authorization": f"Bearer {stack.api_key}", "Accept": "text/event-stream"}
    async with aiohttp.ClientSession(stack.url, timeout=_TIMEOUT, headers=headers) as session:
        taken_ns = [await _once(session, stack.space) for _ in range(WARM_UP + REQUESTS)]
    return first_chunk(taken_ns[WARM_UP:])


async def _once(session: aiohttp.ClientSession, space: str) -> int:
    """The nanoseconds that one first chunk took."""
    taken: int | None = None
    async with session.post(f"/v1/spaces/{space}/requests", json={"input": {}}) as response:
        if response.status != 200:
            raise ProgramFailed(f"HTTP {response.status}: {(await response.text())[:300]}")
        async for event, data in _events(response.content):
            if event == "output" and taken is None:
                taken = time.monotonic_ns() - int(json.loads(data)["data"])
            elif event == "completed" and taken is not None:
                return taken
    raise ProgramFailed("a request has ended without a chunk")


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[tuple[str, str]]:
    """The events of a stream by name, each with its data."""
    name = ""
    async for line in content:
        field, _, value = line.decode().rstrip("\r\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, value
