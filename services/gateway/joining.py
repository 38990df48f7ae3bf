"""How an agent joins: its spaces, the registry's claim, and the verdicts on the work that it brings along."""

import asyncio
from dataclasses import dataclass

from nats.aio.client import Client

from services.contracts import codec, ids, subjects
from services.contracts.accounts import Directory, Key, may_serve
from services.contracts.connections import agent_identity
from services.contracts.events import Assigned, RequestEvent
from services.contracts.rpc import Attach, Attached, Chain, GetChain, SpaceAnswer
from services.contracts.standing import may_have_agents
from services.gateway.members import Member
from services.gateway.outputs import last_record
from services.gateway.verdicts import Work, given_to, judge
from services.runtime import rpc
from services.runtime.clock import ServerClock
from services.runtime.jetstream import Behind, Stored, get
from spaces_agent import frames

CONCURRENT_READS = 16


@dataclass(frozen=True, slots=True)
class Joined:
    """The registry's answer; `member` has no spaces when it may serve none of those it asked for."""

    member: Member
    spaces: list[frames.SpaceVerdict]


def permitted(directory: Directory, key: Key, wanted: list[str]) -> list[frames.SpaceVerdict]:
    """Which of the spaces an agent may serve by its key."""
    verdicts = []
    for space in dict.fromkeys(wanted):
        there = directory.serviceable(space)
        if there is None:
            verdicts.append(frames.SpaceVerdict(space=space, accepted=False, reason="unknown_space"))
        elif not may_serve(key, space) or not may_have_agents(there, directory.users.get(key.user)):
            verdicts.append(frames.SpaceVerdict(space=space, accepted=False, reason="forbidden"))
        else:
            verdicts.append(frames.SpaceVerdict(space=space, accepted=True))
    return verdicts


class Joining:
    """The questions that a hello raises."""

    def __init__(self, nc: Client, gateway: str, directory: Directory, clock: ServerClock) -> None:
        self._nc, self._gateway, self._directory, self._clock = nc, gateway, directory, clock

    async def attach(self, hello: frames.Hello, key: Key, conn: str, address: str) -> Joined:
        """Ask the registry for the claims, if the key is good for any of the spaces. Raises Refused, NatsUnavailable."""
        verdicts = permitted(self._directory, key, hello.spaces)
        wanted = [verdict.space for verdict in verdicts if verdict.accepted]
        agent = agent_identity(key.user, hello.agent_id)
        attached = Attached(spaces=[], revision=0)
        if wanted:
            attach = Attach(
                conn=conn,
                gateway=self._gateway,
                agent=agent,
                boot_id=hello.boot_id,
                spaces=wanted,
                slots=hello.slots,
                version=hello.version,
                address=address,
            )
            attached = await rpc.call(self._nc, subjects.registry_rpc("attach"), attach, Attached)
        answers = {answer.space: answer for answer in attached.spaces}
        spaces = [_combined(verdict, answers) for verdict in verdicts]
        member = Member(
            agent=agent,
            boot_id=hello.boot_id,
            slots=hello.slots,
            spaces=[verdict.space for verdict in spaces if verdict.accepted],
            revision=attached.revision,
            version=hello.version,
            labels=hello.labels,
        )
        return Joined(member, spaces)

    async def judge(self, in_flight: list[frames.InFlight], agent: str) -> list[Work]:
        """A verdict for each lease that the agent names. Raises NatsUnavailable, ApiError, Refused: then there is none,
        and a verdict must not be guessed."""
        reads = asyncio.Semaphore(CONCURRENT_READS)

        async def one(claimed: frames.InFlight) -> Work:
            async with reads:
                return await self._judge(claimed, agent)

        claims = {claimed.lease: claimed for claimed in in_flight}
        return list(await asyncio.gather(*map(one, claims.values())))

    async def _judge(self, claimed: frames.InFlight, agent: str) -> Work:
        if not ids.is_request_id(claimed.request_id):
            return Work(claimed, "stop")
        try:
            last = await get(self._nc, subjects.REQUESTS, last=subjects.chain(claimed.request_id), known=claimed.lease)
        except Behind:
            if (await self._after_in_history(claimed))[0] is None:
                return Work(claimed, "stop")  # a lease that never was: the stream will not come to it
            raise
        if last is None:
            verdict = judge(claimed, agent, *await self._after_in_history(claimed))
            # The stream has trimmed it, so it is closed: nothing can be appended any more.
            return Work(claimed, "stop" if verdict == "continue" else verdict)
        verdict = judge(claimed, agent, *await self._after(claimed, last))
        given = last if last.seq == claimed.lease else await get(self._nc, subjects.REQUESTS, seq=claimed.lease)
        assigned = None if given is None else codec.requests.decode(given.data)
        if given is None or not isinstance(assigned, Assigned) or not given_to(claimed, agent, assigned):
            return Work(claimed, verdict)
        age_s = max(0.0, (self._clock.now_ns() - given.time_ns) / 1e9)
        last_output = await last_record(self._nc, claimed.request_id) if verdict == "continue" else None
        return Work(claimed, verdict, assigned, age_s, last_output)

    async def _after(self, claimed: frames.InFlight, last: Stored) -> tuple[RequestEvent, int]:
        """What follows the lease, or the `last` event of the chain when that is it, or nothing follows."""
        event = codec.requests.decode(last.data)
        if last.seq > claimed.lease and event.prev_seq != claimed.lease:
            chain = subjects.chain(claimed.request_id)
            found = await get(self._nc, subjects.REQUESTS, seq=claimed.lease + 1, following=chain)
            if found is not None:
                return codec.requests.decode(found.data), found.seq
        return event, last.seq

    async def _after_in_history(self, claimed: frames.InFlight) -> tuple[RequestEvent | None, int]:
        query = GetChain(rid=claimed.request_id)
        chain = await rpc.call(self._nc, subjects.history_rpc("chain"), query, Chain)
        events = [(codec.requests.decode(bytes(logged.data)), logged.seq) for logged in chain.events]
        return next((link for link in events if link[0].prev_seq == claimed.lease), events[-1] if events else (None, 0))


def _combined(verdict: frames.SpaceVerdict, answers: dict[str, SpaceAnswer]) -> frames.SpaceVerdict:
    """What the key permits and the registry grants."""
    if not verdict.accepted:
        return verdict
    answer = answers.get(verdict.space)
    if answer is None:
        return frames.SpaceVerdict(space=verdict.space, accepted=False, reason="unknown_space")
    return frames.SpaceVerdict(space=verdict.space, accepted=answer.accepted, reason=answer.reason)
