"""Chains of request events, for tests of what carries them."""

import secrets
import time

import msgspec
from nats.aio.client import Client

from services.contracts import ids, subjects
from services.runtime.append import Record
from services.runtime.jetstream import api


def record(rid: str = "", prev_seq: int = 0, type: str = "accepted", id: str = "", data: bytes = b"{}") -> Record:
    """An event of a request of the space `demo`, of a new request by default, with an id of its own by default."""
    rid = rid or ids.request_id("demo", time.time_ns() // 1_000_000, secrets.token_bytes(10))
    subject = subjects.request_event(rid, type, "demo", subjects.NO_GATEWAY, "gateway-1")
    return Record(subjects.REQUESTS, subject, subjects.chain(rid), prev_seq, id or secrets.token_hex(16), data)


def rid_of(record: Record) -> str:
    """The request that a record is about."""
    return subjects.parse_request_event(record.subject).rid


async def purge(nc: Client, filter: str, below: int | None = None) -> None:
    """Trim the stream REQUESTS as history does: what the filter matches, before the sequence `below`."""
    body = {"filter": filter} | ({} if below is None else {"seq": below})
    answer = msgspec.json.decode(await api(nc, f"STREAM.PURGE.{subjects.REQUESTS}", body))
    assert "error" not in answer, answer
