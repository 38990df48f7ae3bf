"""Between serving and whatever runs the handler: in this process, or in processes of its own."""

from __future__ import annotations

from typing import Protocol

import msgspec

from spaces_agent import frames
from spaces_agent.errors import SetupFailed


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway allows: bytes of output in a result, and frames of output that wait for their acknowledgement;
    `address` is its own."""

    max_output_bytes: int = frames.MAX_INLINE_BYTES
    window: int = frames.OUTPUT_WINDOW
    address: str = ""


class Listener(Protocol):
    """Is told in the event loop what becomes of each run, in this order."""

    def started(self, lease: int) -> None:
        """The handler begins."""

    def produced(self, output: frames.Output) -> None:
        """The handler has said something; never after the end."""

    def ended(self, lease: int, result: frames.Result | None) -> None:
        """The handler has ended. There is no result when nobody wants it any more, because the run was stopped."""

    def failed(self, error: SetupFailed) -> None:
        """There is nothing to run: no more work must come."""


class Runner(Protocol):
    """Runs the handler for each lease: Jobs, or Workers."""

    async def load(self) -> bool:
        """What is to be done before any work comes; false when it failed, of which the listener is told."""

    def limit(self, limits: Limits) -> None:
        """A gateway has said what it allows."""

    def start(self, assign: frames.Assign, received_at: float) -> None:
        """Run the handler."""

    def stop(self, lease: int, grace_s: float) -> None:
        """End a run; it has `grace_s` to do so by itself."""

    def stored(self, lease: int, index: int) -> None:
        """The output of this lease up to this index is stored."""

    def in_flight(self) -> list[frames.InFlight]:
        """All runs that have not ended."""

    def count(self) -> int:
        """How many runs have not ended; may be asked in any thread."""

    async def idle(self) -> None:
        """Wait until nothing runs."""

    async def close(self) -> None:
        """The agent ends."""
