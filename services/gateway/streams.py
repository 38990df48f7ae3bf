"""The streams of events that this gateway has open: how many there may be, and when they end before their request does."""

import asyncio
import contextlib
from collections.abc import Iterator

from services.gateway.auth import Caller, worthless
from services.gateway.metrics import STREAMS
from services.gateway.problems import ApiProblem
from services.gateway.sessions import Sessions
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower

MAX_STREAMS = 1000
MAX_STREAMS_OF_USER = MAX_STREAMS // 2
"""Whoever has all of their readers at one gateway leaves room for others."""
LOOK_S = 0.5


class Stream:
    """One open stream. `ending` is done when it must end at once; `why` is what its reader is told at the end, None for
    nothing."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.ending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.why: ApiProblem | None = None

    def end(self, why: ApiProblem | None = None) -> None:
        """It must end."""
        if not self.ending.done():
            self.why = why
            self.ending.set_result(None)


class Streams:
    """All streams of a gateway."""

    def __init__(self, follower: DirectoryFollower, sessions: Sessions, clock: ServerClock) -> None:
        self._follower, self._sessions, self._clock = follower, sessions, clock
        self._open: set[Stream] = set()
        self._stopping = False

    def check(self, caller: Caller) -> None:
        """Raises ApiProblem when there may be no more of them, or none of the caller's."""
        if self._stopping:
            raise _unavailable("This gateway is stopping.")
        if len(self._open) >= MAX_STREAMS:
            raise _unavailable("Too many streams are open at this gateway.")
        user = caller.user.user
        if sum(stream.caller.user.user == user for stream in self._open) >= MAX_STREAMS_OF_USER:
            detail = f"You have {MAX_STREAMS_OF_USER} streams open at this gateway: close one first."
            raise ApiProblem("quota_exceeded", detail, headers={"Retry-After": "1"})

    @contextlib.contextmanager
    def open(self, caller: Caller) -> Iterator[Stream]:
        """Count a stream while inside."""
        stream = Stream(caller)
        if self._stopping:
            stream.end()
        self._open.add(stream)
        STREAMS.inc()
        try:
            yield stream
        finally:
            STREAMS.dec()
            self._open.discard(stream)

    async def keep_looking(self) -> None:
        """End for ever the streams whose keys or sessions are worth nothing any more, or something else than they were."""
        while True:
            await asyncio.sleep(LOOK_S)
            for stream in self._open:
                if why := self._why_ended(stream.caller):
                    stream.end(why)
                elif self._has_another_role(stream.caller):
                    stream.end()  # its reader comes again, and is let see what the new role may

    def _why_ended(self, caller: Caller) -> ApiProblem | None:
        directory, now = self._follower.directory, self._clock.now_ns()
        if caller.session is not None:
            return self._sessions.ended(caller.session, directory, now)
        flaw = directory.flaw(caller.key, now)
        return worthless(flaw) if flaw else None

    def _has_another_role(self, caller: Caller) -> bool:
        user = self._follower.directory.users.get(caller.user.user)
        return user is not None and user.role != caller.user.role

    async def end(self) -> None:
        """End them all, and those that come yet: the process stops. Readers go on elsewhere."""
        self._stopping = True
        for stream in self._open:
            stream.end()


def _unavailable(detail: str) -> ApiProblem:
    return ApiProblem("unavailable", detail, headers={"Retry-After": "1"})
