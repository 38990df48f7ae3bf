"""Events of the directory, for tests that write it themselves."""

import os
from typing import Any

from nats.aio.client import Client

from services.contracts import codec, subjects
from services.contracts.directory import DirectoryEvent, entry_of
from services.contracts.events import type_of
from services.runtime import jetstream
from services.runtime.append import ACCEPT_DEADLINE_S, Record, append


def made(prev_seq: int = 0) -> dict[str, Any]:
    """What all events carry."""
    return {"id": os.urandom(8).hex(), "prev_seq": prev_seq, "actor": "system"}


async def last_seq(nc: Client, kind: str, id: str) -> int:
    """The sequence of the last event of an entry; 0 when there is none."""
    last = await jetstream.get(nc, subjects.DIRECTORY, last=subjects.directory_chain(kind, id))
    return 0 if last is None else last.seq


async def append_entry(nc: Client, event: DirectoryEvent, deadline_s: float = ACCEPT_DEADLINE_S) -> int:
    """Append an event to its entry, as a registry; its sequence. Raises what `append` raises."""
    kind, id = entry_of(event)
    subject, chain = subjects.directory_event(kind, id, type_of(event)), subjects.directory_chain(kind, id)
    data = codec.directory.encode(event)
    return await append(nc, Record(subjects.DIRECTORY, subject, chain, event.prev_seq, event.id, data), deadline_s)
