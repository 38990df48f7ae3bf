"""What an agent holds and what it says about it, whichever socket carries that. Pure.

A hello is a snapshot of the work; what has changed since is said after the welcome. So a frame that found no socket, or was
lost with one, needs no memory: output and results are kept until acknowledged and offered again, a handler that has started
is named as running, and one that has ended since is reported as stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from spaces_agent import frames
from spaces_agent.conversation import Conversation
from spaces_agent.events import ForgetLease, Keep, OutputStored, SessionEvent, StartHandler, StopHandler
from spaces_agent.leases import FinishedLeases, Held, StopOutcome, in_flight
from spaces_agent.profile import Profile
from spaces_agent.sockets import Sockets

RejectReason = Literal["full", "draining", "unhealthy", "unsupported"]


class Work:
    """The leases of one agent. What it has to say goes to the sockets, what is to be done to `emit`."""

    def __init__(self, profile: Profile, sockets: Sockets, emit: Callable[[SessionEvent], None]) -> None:
        self._profile = profile
        self._sockets = sockets
        self._emit = emit
        self._held: dict[int, Held] = {}
        self._finished = FinishedLeases()

    def restore(
        self, running: Iterable[frames.InFlight], pending: Iterable[frames.Result], outputs: Iterable[frames.Output]
    ) -> None:
        """Take over what a predecessor has left: handlers that run, results, and output that is not stored."""
        results = {result.lease: result for result in pending}
        self._held = {work.lease: Held.of(work, "running") for work in running}
        self._held.update((lease, Held.of(result, "result_pending", result)) for lease, result in results.items())
        for output in outputs:
            if (held := self._held.get(output.lease)) is not None:
                held.produced(output)
                self._emit(Keep(frame=output))
        for result in results.values():
            self._emit(Keep(frame=result))

    def __bool__(self) -> bool:
        return bool(self._held)

    def in_flight(self) -> list[frames.InFlight]:
        """What a hello names."""
        return in_flight(self._held.values())

    def running(self) -> list[int]:
        """The leases whose handler runs."""
        return [held.lease for held in self._held.values() if held.occupies_slot]

    # Frames from a gateway

    def welcomed(self, socket: Conversation, hello: frames.Hello, verdicts: Iterable[frames.LeaseVerdict]) -> None:
        """This socket's gateway has judged what its hello named: apply that, and say what it cannot know."""
        for verdict in verdicts:
            if (held := self._held.get(verdict.lease)) is not None:
                self._judge(held, verdict)
        for named in hello.in_flight:
            if named.state == "running" and named.lease not in self._held:
                socket.send(_stopped(named, self._finished.outcome(named.lease)))
        # Also a result without a verdict is offered: only its acknowledgement says that the outcome is decided.
        for held in self._held.values():
            for output in held.outputs:
                socket.send(output)
            held.drop_stored()
            if held.result is not None:
                socket.send(held.result)

    def _judge(self, held: Held, verdict: frames.LeaseVerdict) -> None:
        if verdict.verdict == "continue":
            held.drop_below(verdict.resend_from)
            self._acknowledge(held, verdict.resend_from - 1)
        elif held.result is not None:
            self._forget(held.lease, "already_finished")
        else:
            self._stop(held, f"the gateway's verdict: {verdict.verdict}", frames.STOP_GRACE_S)

    def assigned(self, assign: frames.Assign, socket: Conversation, state: frames.AgentState) -> None:
        """Work has come; `state` is the agent's."""
        held = self._held.get(assign.lease)
        if held is not None:
            _repeat(held, socket)
            return
        if assign.lease in self._finished:
            return  # its outcome was acknowledged or its stop confirmed: nothing is left to answer
        reason = self._reason_to_reject(assign, socket, state)
        if reason is None:
            self._held[assign.lease] = Held.of(assign, "starting")
            self._emit(StartHandler(assign=assign))
        else:
            socket.send(_reject(assign, reason))

    def _reason_to_reject(
        self, assign: frames.Assign, socket: Conversation, state: frames.AgentState
    ) -> RejectReason | None:
        if state == "draining" or not self._sockets.takes_work(socket):
            return "draining"
        if state == "loading":
            return "unhealthy"
        if assign.space not in self._profile.spaces:
            return "unsupported"
        return "full" if len(self.running()) >= self._profile.slots else None

    def cancelled(self, cancel: frames.Cancel, socket: Conversation) -> None:
        """A lease is void."""
        held = self._held.get(cancel.lease)
        if held is not None and held.result is None:
            held.asked.add(socket)
            self._stop(held, cancel.reason, cancel.grace_s)
            return
        known = held is not None or cancel.lease in self._finished
        # The chain of this request has moved on, so that the result can be recorded nowhere.
        self._forget(cancel.lease, "already_finished")
        socket.send(_stopped(cancel, "already_finished" if known else "never_started"))

    def output_stored(self, lease: int, index: int) -> None:
        """The output of this lease is stored up to this index."""
        held = self._held.get(lease)
        if held is not None and held.state != "stopping":
            self._acknowledge(held, index)
            if not self._sockets.hello_is_out:
                held.drop_stored()

    def decided(self, lease: int) -> None:
        """The outcome of this lease is decided."""
        self._forget(lease, "already_finished")

    def refused(self, request_id: str) -> None:
        """A frame about this request was refused. A refused result is refused for good: offering it again on every
        socket would never end."""
        for held in [held for held in self._held.values() if held.request_id == request_id]:
            if held.result is not None:
                self._forget(held.lease, "already_finished")

    # What handlers do

    def started(self, lease: int) -> None:
        """The handler of this lease has begun."""
        held = self._held.get(lease)
        if held is None:
            return
        held.started = True
        if held.state == "starting":
            held.state = "running"
            self._sockets.say(_accept(held))

    def produced(self, output: frames.Output) -> None:
        """A handler has something to say; of no use when its lease is being stopped."""
        held = self._held.get(output.lease)
        if held is not None and held.state != "stopping":
            held.produced(output)
            self._emit(Keep(frame=output))
            self._sockets.say(output)

    def finished(self, result: frames.Result) -> None:
        """A handler has an outcome, of no use either when its lease is being stopped."""
        held = self._held.get(result.lease)
        if held is None:
            self._emit(ForgetLease(lease=result.lease))
        elif held.state == "stopping":
            self._end(held, "already_finished")
        elif held.result is None:
            held.state, held.result = "result_pending", result
            self._emit(Keep(frame=result))
            self._sockets.say(result)

    def stopped(self, lease: int) -> None:
        """The handler of this lease has ended without an outcome, or was never begun."""
        held = self._held.get(lease)
        if held is not None and held.result is None:
            self._end(held, "stopped" if held.started else "never_started")

    # Steps shared by the above

    def _end(self, held: Held, outcome: StopOutcome) -> None:
        """Tell whoever believes that its handler runs that it does not."""
        self._forget(held.lease, outcome)
        self._sockets.say(_stopped(held, outcome))
        for socket in held.asked - {self._sockets.speaker}:
            socket.send(_stopped(held, outcome))

    def _stop(self, held: Held, reason: str, grace_s: float) -> None:
        if held.state != "stopping":
            held.state = "stopping"
            held.outputs.clear()
            self._emit(StopHandler(lease=held.lease, reason=reason, grace_s=grace_s))

    def _acknowledge(self, held: Held, index: int) -> None:
        if index > held.stored:
            held.stored = index
            self._emit(OutputStored(lease=held.lease, index=index))

    def _forget(self, lease: int, outcome: StopOutcome) -> None:
        if self._held.pop(lease, None) is not None:
            self._finished.add(lease, outcome)
            self._emit(ForgetLease(lease=lease))


def _repeat(held: Held, socket: Conversation) -> None:
    """Answer a repeated assignment with what was answered before; the handler is never started twice."""
    if held.result is not None:
        socket.send(held.result)
    elif held.state == "running":
        socket.send(_accept(held))


def _reject(assign: frames.Assign, reason: RejectReason) -> frames.Reject:
    return frames.Reject(request_id=assign.request_id, attempt=assign.attempt, lease=assign.lease, reason=reason)


def _accept(held: Held) -> frames.Accept:
    return frames.Accept(request_id=held.request_id, attempt=held.attempt, lease=held.lease)


def _stopped(work: Held | frames.RequestFrame | frames.InFlight, outcome: StopOutcome) -> frames.Stopped:
    return frames.Stopped(request_id=work.request_id, attempt=work.attempt, lease=work.lease, outcome=outcome)
