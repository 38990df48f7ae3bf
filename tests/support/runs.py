"""Runs of a handler without a gateway: what its agent would be told."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from spaces_agent import frames
from spaces_agent.errors import SetupFailed
from spaces_agent.files import Places
from spaces_agent.runner import Runner

DEADLINE_S = 60.0
NOWHERE = Places(addresses=[], directory="/dev/null/files")
"""For handlers without files."""

R = TypeVar("R", bound=Runner)


class Recorded:
    """What the listener is told."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.said: list[frames.Output] = []
        self.results: dict[int, frames.Result | None] = {}
        self.failures: list[str] = []
        self._changed = asyncio.Condition()

    def started(self, lease: int) -> None:
        self.begun.append(lease)
        self._tell()

    def produced(self, output: frames.Output) -> None:
        assert output.lease not in self.results
        self.said.append(output)
        self._tell()

    def ended(self, lease: int, result: frames.Result | None) -> None:
        assert result is None or lease in self.begun
        self.results[lease] = result
        self._tell()

    def failed(self, error: SetupFailed) -> None:
        self.failures.append(str(error))
        self._tell()

    def _tell(self) -> None:
        async def tell() -> None:
            async with self._changed:
                self._changed.notify_all()

        self._telling = asyncio.create_task(tell())

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(condition)

    def read(self, lease: int = 1) -> list[tuple[str, Any]]:
        return [(frame.kind, json.loads(bytes(frame.data))) for frame in self.said if frame.lease == lease]


class Run(Generic[R]):
    """Something that runs a handler, and what its listener is told."""

    def __init__(self, runner: R, listener: Recorded) -> None:
        self.runner = runner
        self.listener = listener

    def start(self, value: Any = None, lease: int = 1) -> None:
        assign = frames.Assign(
            request_id="0" * 34, attempt=1, lease=lease, space="demo", deadline_s=60.0,
            input=msgspec.Raw(msgspec.json.encode(value)),
        )  # fmt: skip
        self.runner.start(assign, time.monotonic())

    async def ended(self, lease: int = 1) -> frames.Result | None:
        await self.listener.until(lambda: lease in self.listener.results)
        return self.listener.results[lease]

    async def result(self, value: Any = None, lease: int = 1) -> frames.Result:
        self.start(value, lease)
        result = await self.ended(lease)
        assert result is not None
        return result
