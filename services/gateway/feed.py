"""What a reader of one request is shown: its chain and its output records, merged. Pure.

Both come each in its own order, but however interleaved. Wherever a reader stops, the cursor of the last item seen begins a
feed, here or at another gateway, that shows the rest: no gap, no repeat."""

from collections.abc import Iterable
from typing import assert_never

import msgspec

from services.contracts.events import (
    Accepted,
    Assigned,
    Canceled,
    Erased,
    Expired,
    Failed,
    RequestEvent,
    Requeued,
    Restored,
    Succeeded,
)
from services.contracts.instants import rfc3339
from services.contracts.lifecycle import InvalidTransition
from services.contracts.output import OutputRecord
from services.contracts.requests import CutChain, RequestState, Unfit, evolve
from services.gateway.cursor import Cursor
from services.gateway.items import AssignedEvent, Item, OutputResetEvent, QueuedEvent, RequeuedEvent, shown_record
from services.gateway.view import AgentObject, request_object

MAX_HELD = 64
"""So many records may wait for their assignment before no more should be brought."""


class Feed:
    """One reader's feed from a cursor on, in streams of an epoch. A cursor of another epoch means nothing in these: the feed
    begins at the beginning. `unfit` is told events that cannot follow the chain; they are left out.

    A record is shown once its lease is the request's current one, and dropped when that lease is void. `completed` waits for
    the records that OUTPUT held when the outcome was known (`stored`)."""

    def __init__(self, epoch: int, start: Cursor | None, unfit: Unfit) -> None:
        known = start if start is not None and start.epoch == epoch else Cursor(epoch)
        self._epoch, self._unfit = epoch, unfit
        self._from = known.request
        self._request, self._output = known.request, known.output
        # 0 means that the reader has seen nothing of the current attempt. So a reader that was cut off between `requeued`
        # and the `output_reset` after it has a cursor that tells which of the two it has seen.
        self._void = start is not None and start.epoch != epoch and start.output > 0
        self._looked_at = known.output
        self._held: list[tuple[OutputRecord, int]] = []
        self._last_record: int | None = None
        self._outcome = 0
        self.state: RequestState | None = None
        self.ended = False
        """Whether nothing will ever be shown any more."""

    @property
    def cursor(self) -> Cursor:
        """Where the reader is."""
        return Cursor(self._epoch, self._request, self._output)

    @property
    def seq(self) -> int:
        """The sequence of the last event of the chain that is known."""
        return 0 if self.state is None else self.state.seq

    @property
    def queued(self) -> bool:
        """Whether the request waits for an agent."""
        return self.state is not None and self.state.status == "queued"

    @property
    def finishing(self) -> bool:
        """Whether the request has its outcome, and `stored` should be told."""
        return self._outcome > 0 and not self.ended

    @property
    def crowded(self) -> bool:
        """Whether records should wait until more of the chain is known."""
        return len(self._held) >= MAX_HELD

    def events(self, links: Iterable[tuple[RequestEvent, int, int]]) -> list[Item]:
        """The chain goes on: events with their sequences and instants. Those that are known already change nothing. Raises
        CutChain."""
        return [item for event, seq, at in links if seq > self.seq for item in self._event(event, seq, at)]

    def records(self, records: Iterable[tuple[OutputRecord, int]]) -> list[Item]:
        """The output goes on: records with their sequences. Those that are known already change nothing."""
        items = []
        for record, seq in records:
            if seq > self._looked_at:
                self._looked_at = seq
                items += self._record(record, seq)
        return items + self._completed()

    def stored(self, last: int) -> list[Item]:
        """`last` is the sequence of the last record that OUTPUT holds of the request, 0 without any; it was read after the
        outcome was known."""
        self._last_record = last
        return self._completed()

    def renumbered(self) -> list[Item]:
        """OUTPUT has lost its end or was replaced: it is to be looked through from its beginning, and what was shown of it
        may come again."""
        self._looked_at = 0
        return self._reset(0 if self.state is None else self.state.attempt)

    def _event(self, event: RequestEvent, seq: int, at: int) -> list[Item]:
        if isinstance(event, Erased) and self.state is not None and self.state.open:
            raise CutChain(f"{event.rid} has ended, by an event that left the stream before this reader came to it")
        try:
            self.state = evolve(self.state, event, seq, at)
        except InvalidTransition as error:
            self._unfit(event, seq, error)
            return []
        items = []
        if self._void:
            self._void = False
            items.append(self._item(OutputResetEvent(attempt=event.attempt)))
        match event:
            case Accepted():
                items += self._shown(seq, QueuedEvent(attempt=event.attempt, at=rfc3339(at)))
            case Restored():
                items += self._shown(seq, QueuedEvent(attempt=event.attempt, at=rfc3339(at), reason="restored"))
            case Assigned():
                agent = AgentObject(event.agent)
                shown = AssignedEvent(attempt=event.attempt, at=rfc3339(at), agent=agent, gateway=event.gateway, lease=seq)
                items += self._shown(seq, shown)
                items += self._released()
            case Requeued():
                items += self._requeued(event, seq, at)
            case Succeeded() | Failed() | Canceled() | Expired():
                self._end(seq)
            case Erased():
                pass
            case _:
                assert_never(event)
        return items

    def _requeued(self, event: Requeued, seq: int, at: int) -> list[Item]:
        shown = RequeuedEvent(attempt=event.attempt, at=rfc3339(at), reason=event.reason, detail=event.detail)
        return self._shown(seq, shown) + (self._reset(event.attempt) if seq >= self._from else [])

    def _reset(self, attempt: int) -> list[Item]:
        if not self._output:
            return []
        self._output = 0
        return [self._item(OutputResetEvent(attempt=attempt))]

    def _end(self, seq: int) -> None:
        self._outcome = seq
        self._held.clear()
        self.ended = seq <= self._from

    def _shown(self, seq: int, data: msgspec.Struct) -> list[Item]:
        if seq <= self._from:
            return []
        self._request = seq
        return [self._item(data)]

    def _item(self, data: msgspec.Struct) -> Item:
        return Item(data, str(self.cursor))

    def _released(self) -> list[Item]:
        """What was held, as far as it is decided now."""
        held, self._held = self._held, []
        return [item for record, seq in held for item in self._record(record, seq)]

    def _record(self, record: OutputRecord, seq: int) -> list[Item]:
        if self.state is not None and record.lease == self.state.lease:
            self._output = seq
            return [self._item(shown_record(record))]
        if record.lease > self.seq and not self._outcome:
            self._held.append((record, seq))
        return []

    def _completed(self) -> list[Item]:
        if self._last_record is None or self._looked_at < self._last_record or not self.finishing:
            return []
        assert self.state is not None
        self.ended = True
        self._request = self._outcome
        return [self._item(request_object(self.state))]
