"""An agent's session with its sockets, driven by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from spaces_agent import events, frames
from spaces_agent.profile import Profile
from spaces_agent.session import AgentSession

PROFILE = Profile(agent_id="agent-1", boot_id="boot-1", spaces=["demo"], slots=2, version="1")


def ids(lease: int) -> dict[str, Any]:
    return {"request_id": f"{lease:034x}", "attempt": 1, "lease": lease}


def assign(lease: int, space: str = "demo") -> frames.Assign:
    return frames.Assign(**ids(lease), space=space, deadline_s=60.0, input=msgspec.Raw(b"{}"))


def output(lease: int, index: int) -> frames.Output:
    return frames.Output(**ids(lease), index=index, kind="chunk", data=msgspec.Raw(b'"%d"' % index))


def result(lease: int, last_index: int = 0) -> frames.Result:
    return frames.Result(**ids(lease), status="succeeded", sha256="0" * 64, output=msgspec.Raw(b"1"), last_index=last_index)


def ack(lease: int) -> frames.ResultAck:
    return frames.ResultAck(**ids(lease), outcome="accepted")


def output_ack(lease: int, index: int) -> frames.OutputAck:
    return frames.OutputAck(**ids(lease), index=index)


def cancel(lease: int) -> frames.Cancel:
    return frames.Cancel(**ids(lease), reason="canceled", grace_s=3.0)


def stopped(lease: int, outcome: Any) -> frames.Stopped:
    return frames.Stopped(**ids(lease), outcome=outcome)


def in_flight(lease: int, state: Any, last_index: int = 0) -> frames.InFlight:
    return frames.InFlight(**ids(lease), state=state, last_index=last_index)


def welcome(**verdicts: Any) -> frames.Welcome:
    """`welcome(l7="stop")`: the verdict on lease 7 is stop. `l7=3`: it goes on from output 3."""
    judged = []
    said: Any
    for name, verdict in verdicts.items():
        resend_from, said = (verdict, "continue") if isinstance(verdict, int) else (1, verdict)
        lease = int(name[1:])
        request_id = ids(lease)["request_id"]
        judged.append(frames.LeaseVerdict(request_id=request_id, lease=lease, verdict=said, resend_from=resend_from))
    spaces = [frames.SpaceVerdict(space="demo", accepted=True)]
    return frames.Welcome(session_id="s", gateway_id="g", spaces=spaces, verdicts=judged)


class Given:
    """A session; `socket` is the one that was opened last."""

    def __init__(self, **left_behind: Any) -> None:
        self.session = AgentSession(PROFILE, **left_behind)
        self.socket = 0
        self._open: set[int] = set()

    def dialled(self, now: float = 0.0) -> int:
        """It is time to open a socket: its number."""
        self.session.tick(now)
        [connect] = [event for event in self.session.events() if isinstance(event, events.Connect)]
        self.socket = connect.socket
        self._open.add(self.socket)
        return self.socket

    def connected(self, now: float = 0.0) -> frames.Hello:
        """A socket is open: the hello that was said there."""
        self.session.connected(self.dialled(now), now)
        [hello] = self.sent()
        assert isinstance(hello, frames.Hello)
        return hello

    def welcomed(self, now: float = 0.0, **verdicts: Any) -> None:
        self.receive(welcome(**verdicts), now=now)

    def receive(self, *received: frames.GatewayFrame, now: float = 0.0, on: int | None = None) -> None:
        for frame in received:
            self.session.receive(on or self.socket, frame, now)

    def lost(self, now: float = 0.0, on: int | None = None, code: int | None = None, entropy: float = 0.0) -> None:
        self._open.remove(on or self.socket)
        self.session.disconnected(on or self.socket, now, entropy, "cut", code)

    def produced(self, lease: int, *indexes: int) -> None:
        for index in indexes:
            self.session.handler_produced(output(lease, index))

    def sent(self, on: int | None = None) -> list[frames.AgentFrame]:
        return self.session.frames_to_send(on or self.socket)

    def events(self) -> list[events.SessionEvent]:
        return self.session.events()

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of this kind; the others are dropped."""
        return [event for event in self.session.events() if isinstance(event, kind)]

    def quiet(self) -> Given:
        """All that was said so far is dropped."""
        for socket in self._open:
            self.sent(socket)
        self.events()
        return self

    def found_again(self, now: float = 2.0, **verdicts: Any) -> frames.Hello:
        """The socket is lost, another opened and welcomed: what was said in the hello."""
        if self._open:
            self.lost(now)
        self.quiet()
        hello = self.connected(now)
        self.welcomed(now, **verdicts)
        return hello


def ready(now: float = 0.0, **left_behind: Any) -> Given:
    given = Given(**left_behind)
    given.connected(now)
    given.welcomed(now)
    return given.quiet()


def running(*leases: int, outputs: int = 0) -> Given:
    """Its handlers run, and have produced so many frames each."""
    given = ready()
    for lease in leases:
        given.receive(assign(lease))
        given.session.handler_started(lease)
        given.produced(lease, *range(1, outputs + 1))
    return given.quiet()


@dataclass
class Moving:
    """An agent between two gateways."""

    given: Given
    first: int
    second: int
    hello: frames.Hello


def goaway(reconnect_after_s: float = 2.0) -> frames.Goaway:
    return frames.Goaway(reason="restart", reconnect_after_s=reconnect_after_s)


def moving(*leases: int, outputs: int = 0, given: Given | None = None) -> Moving:
    """These handlers run, the first gateway is going away, and hello is said to the second, which has not answered."""
    given = given or running(*leases, outputs=outputs)
    first = given.socket
    given.receive(goaway(), now=60.0)
    given.quiet()
    hello = given.connected(62.0)
    given.quiet()
    return Moving(given, first, given.socket, hello)


def moved(*leases: int, outputs: int = 0) -> Moving:
    """The second gateway has welcomed the agent."""
    move = moving(*leases, outputs=outputs)
    move.given.welcomed(62.5, **{f"l{lease}": "continue" for lease in leases})
    move.given.quiet()
    return move
