"""The sockets of one agent, and when to open another. Pure.

One socket speaks for the agent. When its gateway goes away a second one is opened, which says hello while the first goes on;
its welcome makes it the speaker, and the first retires: it answers what is still asked there until it is closed (agent
protocol, rule 5)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from spaces_agent import frames
from spaces_agent.backoff import FINAL_CODES, SLOW_CODES, Backoff
from spaces_agent.conversation import Conversation
from spaces_agent.events import Closed

MOVE_AFTER_READY_S = 1.0
"""An agent stays at least so long with a gateway: two that both send it away must not keep it running in circles."""


class Sockets:
    """All sockets that are open or being opened. `joining` is the one that is to follow, or to be the first."""

    def __init__(self) -> None:
        self.speaker: Conversation | None = None
        self.joining: Conversation | None = None
        self._open: dict[int, Conversation] = {}
        self._numbers = count(1)
        self._connect_at: float | None = 0.0
        self._backoff = Backoff()

    def __iter__(self) -> Iterator[Conversation]:
        return iter(list(self._open.values()))

    def __getitem__(self, socket: int) -> Conversation:
        return self._open[socket]

    @property
    def hello_is_out(self) -> bool:
        """Whether a gateway is reading what a hello has named, and has not answered yet."""
        return self.joining is not None and self.joining.phase == "hello"

    def takes_work(self, conversation: Conversation) -> bool:
        """Whether work may come this way: the hello of a second socket cannot name what comes by the first after it."""
        return conversation is self.speaker and not self.hello_is_out

    def say(self, frame: frames.AgentFrame) -> None:
        """Say this for the agent."""
        if self.speaker is not None:
            self.speaker.send(frame)

    # Opening

    def wakeup(self) -> float | None:
        """The time at which something is to be done; None when nothing is."""
        times = [conversation.wakeup() for conversation in self._open.values()]
        return min((time for time in (*times, self._connect_at) if time is not None), default=None)

    def connect_due(self, now: float) -> Conversation | None:
        """The socket to open now, if it is time."""
        if self._connect_at is None or now < self._connect_at:
            return None
        self._connect_at = None
        self.joining = Conversation(next(self._numbers))
        self._open[self.joining.socket] = self.joining
        return self.joining

    def move(self, reconnect_after_s: float, now: float) -> float | None:
        """The speaker's gateway goes away: when the second socket is to be opened. None if that is under way already."""
        if self.speaker is None or self.joining is not None or self._connect_at is not None:
            return None
        ready_s = self.speaker.ready_s(now)
        self._backoff.was_ready(ready_s)
        self._connect_at = now + max(reconnect_after_s, MOVE_AFTER_READY_S - ready_s)
        return self._connect_at

    def take_over(self, conversation: Conversation, now: float) -> None:
        """This socket is welcomed: it speaks from now on, and the former speaker retires."""
        former, self.speaker, self.joining = self.speaker, conversation, None
        if former is not None:
            former.retire(now)

    # Closing

    def closed(
        self, socket: int, now: float, entropy: float, reason: str, code: int | None, in_flight: bool
    ) -> Closed | None:
        """A socket is gone, or could not be opened. None when another is there in its place, or about to be."""
        conversation = self._open.pop(socket)
        conversation.phase = "closed"
        if conversation is self.speaker:
            self.speaker = None
        elif conversation is self.joining:
            self.joining = None
        else:
            return None
        if code is not None and code in FINAL_CODES:
            self._connect_at = None
            return Closed(socket=socket, reason=reason, code=code, final=True, retry_in_s=0.0)
        if self.joining is not None:
            return None
        slowly = code in SLOW_CODES
        if self._connect_at is None or slowly:
            ready_s = conversation.ready_s(now)
            delay = self._backoff.after(ready_s=ready_s, in_flight=in_flight, slowly=slowly, entropy=entropy)
            self._connect_at = max(now + delay, conversation.not_before)
        retry_in_s = max(0.0, self._connect_at - now)
        return Closed(socket=socket, reason=reason, code=code, final=False, retry_in_s=retry_in_s)
