"""Stores what handlers say in the stream OUTPUT: one append under way for each lease, so that its records follow each other
without a gap, and no repeat, whichever gateway appends them."""

import asyncio
from collections.abc import Callable
from typing import Literal

import msgspec
from nats.aio.client import Client
from prometheus_client import Counter

from services.contracts import output, subjects
from services.gateway.background import Background, Fail
from services.gateway.leases import Lease
from services.gateway.recording import AppendRecord, Last, ReadLast, Step
from services.runtime import telemetry
from services.runtime.append import FULL, UNDECIDED
from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import ApiError, get, publish

ATTEMPT_S = 2.0
_BACK_OFF_S = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0)
GIVE_UP_REFUSED, GIVE_UP_SILENT = 12, 60
"""An outcome does not wait for output that the server has refused so often in a row, over some seconds: its disk is full,
say. Nor when, over minutes, nothing could be stored for another reason: the stream has lost its leader. The outcome holds
the whole output."""

How = Literal["decided", "not_now", "impossible"]

APPENDS = Counter("ws_output_appends_total", "Appends of output records, by how they went", ["result"])


class Outputs:
    """The leases whose output waits to be stored. `progressed` is told each lease of which more has become known."""

    def __init__(self, nc: Client, progressed: Callable[[Lease], None], fail: Fail) -> None:
        self._nc, self._progressed = nc, progressed
        self._under_way = Background(fail)
        self._leases: dict[int, Lease] = {}

    def store(self, lease: Lease) -> None:
        """Store what waits, in the background, for as long as it is wanted."""
        if self._leases.get(lease.lease) is not lease:
            self._leases[lease.lease] = lease
            self._under_way.spawn(self._run(lease))

    async def settle(self, timeout_s: float) -> None:
        """Wait until nothing waits to be stored, or the time is over."""
        await self._under_way.settle(timeout_s)

    async def _run(self, lease: Lease) -> None:
        telemetry.request_id.set(lease.rid)
        recording, failures, refused, silent = lease.recording, 0, 0, 0
        while (step := recording.next_step()) is not None:
            stored = recording.stored
            how = await self._take(step, lease)
            if recording.stored > stored:
                failures = refused = silent = 0
                self._progressed(lease)
            elif how != "decided":
                refused += how == "impossible"
                silent += how == "not_now" and self._nc.is_connected
                if recording.is_complete and (refused >= GIVE_UP_REFUSED or silent >= GIVE_UP_SILENT):
                    APPENDS.labels("given_up").inc()
                    recording.end()
                else:
                    await asyncio.sleep(_BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])
                    failures += 1
        if self._leases.get(lease.lease) is lease:
            del self._leases[lease.lease]
        # Whatever has emptied the queue: it may have been its agent's return, which reads what is stored as well.
        self._progressed(lease)

    async def _take(self, step: Step, lease: Lease) -> How:
        """Take one step. `decided`: its answer says how to go on."""
        recording = lease.recording
        try:
            if isinstance(step, ReadLast):
                recording.read(await last_record(self._nc, lease.rid))
                return "decided"
            seq = await self._publish(step)
        except (NatsUnavailable, ApiError) as error:
            APPENDS.labels("retried").inc()
            recording.undecided()
            return "impossible" if isinstance(error, ApiError) else "not_now"
        if seq is None:
            APPENDS.labels("refused").inc()
            recording.undecided()
            return "not_now"
        APPENDS.labels("stored").inc()
        recording.appended(step.record, seq)
        return "decided"

    async def _publish(self, step: AppendRecord) -> int | None:
        """The sequence of the record; None when another one may be the last on its subject. Raises NatsUnavailable, and
        ApiError when the server cannot store it."""
        if not self._nc.is_connected:
            # While disconnected the client would keep the record and send it much later.
            raise NatsUnavailable("not connected")
        headers = {subjects.EXPECTED_SEQUENCE: str(step.expected)}
        subject = subjects.output(step.record.rid)
        ack = await publish(self._nc, subject, output.encode(step.record), headers, ATTEMPT_S)
        if ack.error is None:
            return ack.seq
        if ack.error.err_code in UNDECIDED:
            return None
        if ack.error.code >= 500 and ack.error.err_code not in FULL:
            raise NatsUnavailable(ack.error.description)
        raise ApiError(ack.error.code, ack.error.err_code, ack.error.description)


async def last_record(nc: Client, rid: str) -> Last | None:
    """The last output record of a request, from the stream's leader. Raises NatsUnavailable, ApiError."""
    stored = await get(nc, subjects.OUTPUT, last=subjects.output(rid), timeout_s=ATTEMPT_S)
    if stored is None:
        return None
    try:
        return Last(stored.seq, output.decode(stored.data))
    except msgspec.MsgspecError:
        return Last(stored.seq, None)
