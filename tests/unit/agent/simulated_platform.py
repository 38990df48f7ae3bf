"""A platform of several gateways around one agent's session, and the agent's handlers, in steps that may come in any order.

The gateways are as simple as the protocol allows: what is recorded stands in one log, which all of them read and append to
at their own pace; what they hold they know only by what they have sent and heard on their own socket."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

from spaces_agent import events, frames
from spaces_agent.session import AgentSession
from tests.unit.agent.given_session import PROFILE, assign, ids, output, result, welcome

Ending = Literal["recorded", "canceled", "requeued"]


@dataclass
class Chain:
    """What is recorded of one lease."""

    stored: int = 0
    ending: Ending | None = None

    def end(self, ending: Ending) -> bool:
        """The first ending stands."""
        first, self.ending = self.ending is None, self.ending or ending
        return first


@dataclass
class Handler:
    """One run of the handler, with what its process keeps: output that is not stored, a result that is not decided."""

    produced: int = 0
    unstored: list[frames.Output] = field(default_factory=list)
    result: frames.Result | None = None
    begun: bool = False
    told_to_stop: bool = False
    over: bool = False


@dataclass
class Lease:
    """A lease as a gateway holds it. `appending`: its outcome is on its way into the log."""

    state: Literal["running", "finished", "stopping"] = "running"
    expected: int = 1
    result: frames.Result | None = None
    outputs: deque[int] = field(default_factory=deque)
    appending: bool = False


class Gateway:
    """One gateway's end of one socket."""

    def __init__(self, log: dict[int, Chain], never_started: Any) -> None:
        self.phase: Literal["hello", "attached", "judged", "ready", "closed"] = "hello"
        self.leaving = False
        self.to_agent: deque[frames.GatewayFrame | int] = deque()
        self.from_agent: deque[frames.AgentFrame] = deque()
        self.held: dict[int, Lease] = {}
        self._log = log
        self._never_started = never_started
        self._hello: frames.Hello | None = None
        self._verdicts: dict[str, Any] = {}

    def say(self, frame: frames.GatewayFrame) -> None:
        if self.phase != "closed":
            self.to_agent.append(frame)

    def close(self, code: int = frames.CLOSE_GOAWAY) -> None:
        if self.phase != "closed":
            self.phase = "closed"
            self.to_agent.append(code)
            self.from_agent.clear()

    # Joining: the claim first, then the log is read, then the answer is written.

    def judge(self) -> None:
        assert self._hello is not None
        self.phase = "judged"
        named = {work.lease: work for work in self._hello.in_flight}
        for lease, work in named.items():
            chain = self._log[lease]
            if chain.ending is None:
                self._verdicts[f"l{lease}"] = chain.stored + 1
                state: Any = "running" if work.state == "running" else "finished"
                self.held[lease] = Lease(state, chain.stored + 1)
            else:
                self._verdicts[f"l{lease}"] = "already_done" if chain.ending == "recorded" else "stop"
                if work.state == "running":
                    self.held[lease] = Lease("stopping")
        for lease, chain in self._log.items():
            if lease not in named and chain.ending is None:
                self._never_started(lease)
                chain.end("requeued")

    def welcome(self) -> None:
        self.phase = "ready"
        self.say(welcome(**self._verdicts))

    # Frames

    def receive(self) -> bool:
        """Handle one frame; true when it was a hello."""
        frame = self.from_agent.popleft()
        if isinstance(frame, frames.Hello):
            self._hello, self.phase = frame, "attached"
            return True
        if isinstance(frame, frames.Heartbeat):
            self.say(frames.HeartbeatAck())
        elif isinstance(frame, frames.RequestFrame):
            self._receive_about(frame)
        return False

    def _receive_about(self, frame: frames.RequestFrame) -> None:
        lease = self.held.get(frame.lease)
        if lease is None:
            self._receive_foreign(frame)
        elif isinstance(frame, frames.Reject | frames.Stopped):
            del self.held[frame.lease]
            if not lease.appending:
                self._log[frame.lease].end("requeued")
        elif lease.state == "stopping":
            if isinstance(frame, frames.Result):
                del self.held[frame.lease]
                self.say(frames.ResultAck(**ids(frame.lease), outcome="superseded"))
        elif isinstance(frame, frames.Result):
            lease.state, lease.result = "finished", frame
        elif isinstance(frame, frames.Output):
            assert frame.index <= lease.expected, f"output {frame.index} of {frame.lease}, {lease.expected} expected"
            if frame.index == lease.expected:
                lease.expected += 1
                lease.outputs.append(frame.index)

    def _receive_foreign(self, frame: frames.RequestFrame) -> None:
        assert isinstance(frame, frames.Stopped) or self._log[frame.lease].ending is not None, f"{frame} gets lost"
        if isinstance(frame, frames.Result):
            self.say(frames.ResultAck(**ids(frame.lease), outcome="superseded"))
        elif isinstance(frame, frames.Accept | frames.Output):
            self.say(frames.Cancel(**ids(frame.lease), reason="not held"))

    # What it does by itself, also after its socket is closed

    def append(self, number: int) -> None:
        """Append what waits of this lease: output one by one, the outcome after it."""
        lease, chain = self.held[number], self._log[number]
        if lease.outputs:
            index = lease.outputs.popleft()
            assert index <= chain.stored + 1
            chain.stored = max(chain.stored, index)
            self.say(frames.OutputAck(**ids(number), index=index))
        elif lease.result is not None and chain.stored >= lease.result.last_index:
            del self.held[number]
            recorded = chain.end("recorded") or chain.ending == "recorded"
            self.say(frames.ResultAck(**ids(number), outcome="accepted" if recorded else "superseded"))

    def read_log(self, number: int) -> None:
        """See that the lease is void, if it is."""
        lease = self.held[number]
        if self._log[number].ending is None or lease.state == "stopping" or lease.result is not None:
            return
        if lease.state == "finished":
            del self.held[number]
        else:
            lease.state = "stopping"
            self.say(frames.Cancel(**ids(number), reason="void"))


class Platform:
    """Gateways, the agent's session, its link and its handlers."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 100.0
        self.log: dict[int, Chain] = {}
        self.handlers: dict[int, Handler] = {}
        self.gateways: dict[int, Gateway] = {}
        self.session = AgentSession(PROFILE)

    # The agent's link

    def act(self) -> None:
        """Carry out what the session says, and write what it wants sent."""
        for event in self.session.events():
            self._act(event)
        for number, gateway in self.gateways.items():
            said = self.session.frames_to_send(number)
            if gateway.phase != "closed":
                gateway.from_agent.extend(said)

    def _act(self, event: events.SessionEvent) -> None:
        match event:
            case events.Connect():
                gateway = self.gateways[event.socket] = Gateway(self.log, self._never_started)
                if self.random.random() < 0.2:
                    gateway.close()
                else:
                    self.session.connected(event.socket, self.now)
            case events.StartHandler():
                assert event.assign.lease not in self.handlers, "a handler is started twice"
                self.handlers[event.assign.lease] = Handler()
            case events.StopHandler():
                self.handlers[event.lease].told_to_stop = True
            case events.OutputStored():
                assert event.index <= self.log[event.lease].stored, "it is said to be stored and is not"
                handler = self.handlers[event.lease]
                handler.unstored = [kept for kept in handler.unstored if kept.index > event.index]
            case events.ForgetLease():
                assert self.log[event.lease].ending is not None or self.handlers[event.lease].over, "forgotten too early"
                self.handlers[event.lease].result = None
            case events.Abandon():
                self.cut(event.socket)
            case _:
                pass

    def _never_started(self, lease: int) -> None:
        assert lease not in self.handlers or self.handlers[lease].over, f"{lease} runs, and is named nowhere"

    def cut(self, number: int) -> None:
        gateway = self.gateways.pop(number)
        gateway.close()
        self.session.disconnected(number, self.now, self.random.random(), "cut")

    def hear(self, number: int) -> None:
        """The agent reads one frame, or the end."""
        gateway = self.gateways[number]
        heard = gateway.to_agent.popleft()
        if isinstance(heard, int):
            del self.gateways[number]
            self.session.disconnected(number, self.now, self.random.random(), "closed", heard)
        else:
            self.session.receive(number, heard, self.now)

    def restart_link(self) -> None:
        """The link dies, and another begins with what the handler process knows."""
        for gateway in self.gateways.values():
            gateway.close()
        self.gateways.clear()
        alive = {lease: handler for lease, handler in self.handlers.items() if not handler.over or handler.result}
        self.session = AgentSession(
            PROFILE,
            running=[
                frames.InFlight(**ids(lease), state="running", last_index=handler.produced)
                for lease, handler in alive.items()
                if not handler.over
            ],
            pending=[handler.result for handler in alive.values() if handler.result],
            outputs=[kept for handler in alive.values() for kept in handler.unstored],
        )

    # The agent's handlers

    def run_handler(self, lease: int, ends: bool) -> None:
        """One step of a handler that is not over."""
        handler = self.handlers[lease]
        if not handler.begun:
            handler.begun = True
            self.session.handler_started(lease)
        elif handler.told_to_stop and self.random.random() < 0.7:
            handler.over = True
            self.session.handler_stopped(lease)
        elif ends:
            handler.over, handler.result = True, result(lease, last_index=handler.produced)
            self.session.handler_finished(handler.result)
        else:
            handler.produced += 1
            handler.unstored.append(output(lease, handler.produced))
            self.session.handler_produced(handler.unstored[-1])

    # The gateways

    def attach(self, newest: Gateway) -> None:
        """The claim has moved: the others are closed, each when it hears of it."""
        for gateway in self.gateways.values():
            if gateway is not newest and gateway.phase in ("attached", "judged", "ready"):
                gateway.leaving = True

    def assign(self, gateway: Gateway) -> None:
        taken = sum(lease.state != "finished" for lease in gateway.held.values())
        if not gateway.leaving and taken < PROFILE.slots:
            lease = len(self.log) + 1
            self.log[lease] = Chain()
            gateway.held[lease] = Lease()
            gateway.say(assign(lease))
