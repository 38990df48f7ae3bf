"""PURE: between a message of a stream and its row in the event log.

A row keeps the event's JSON as it stood in the stream, except that a payload (`input`, `output`) is replaced by the string
`sha256:<hex>` and kept by its hash elsewhere: erasing it leaves the chain whole. What is left is still an event, so chains
are folded without loading payloads.
"""

import hashlib
import re

import msgspec

from services.contracts import codec
from services.contracts.codec import UndecodableEvent
from services.contracts.connections import Refused
from services.contracts.erasure import without_words
from services.contracts.events import Accepted, Assigned, RequestEvent, Restored, Succeeded, type_of
from services.contracts.ids import is_request_id
from services.contracts.requests import NULL

ERASED = b"null"
_REFERENCE = re.compile(rb'"sha256:[0-9a-f]{64}"')
_MAX_SEQ, _MAX_ATTEMPT = 2**63, 2**31


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One event on its way into the log. `data` holds a reference where `payload`, if any, was cut out; `at` is the stream's
    timestamp in nanoseconds since 1970."""

    seq: int
    at: int
    subject: str
    rid: str | None
    type: str
    prev_seq: int
    data: bytes
    payload_sha: bytes | None = None
    payload: bytes | None = None


class Conflict(msgspec.Struct, frozen=True):
    """An event that cannot be part of the log, and why."""

    seq: int
    at: int
    subject: str
    data: bytes
    reason: str


def request_entry(seq: int, at: int, subject: str, data: bytes) -> tuple[Entry, RequestEvent]:
    """The row of a request event, and the event with a reference in place of its payload. Raises UndecodableEvent."""
    event = codec.requests.decode(data)
    _check(event, subject)
    field, payload = _payload(event)
    cut = data.find(field + payload) if payload else -1
    if cut < 0:
        return Entry(seq, at, subject, event.rid, type_of(event), event.prev_seq, data), event
    digest = hashlib.sha256(payload).digest()
    reference = _reference(digest)
    start = cut + len(field)
    rest = data[:start] + reference + data[start + len(payload) :]
    entry = Entry(seq, at, subject, event.rid, type_of(event), event.prev_seq, rest, digest, payload)
    return entry, _referring(event, msgspec.Raw(reference))


def connection_entry(seq: int, at: int, subject: str, data: bytes) -> Entry:
    """The row of a connection event; refused frames belong to a request. Raises UndecodableEvent."""
    event = codec.connections.decode(data)
    tag = event.__struct_config__.tag
    if subject != f"ws.conn.{event.conn}.{tag}":
        raise UndecodableEvent("subject and payload name different events")
    rid = event.rid if isinstance(event, Refused) and is_request_id(event.rid) else None
    return Entry(seq, at, subject, rid, str(tag), 0, data)


def directory_entry(seq: int, at: int, subject: str, data: bytes) -> Entry:
    """The row of a directory event. Raises UndecodableEvent."""
    event = codec.directory.decode(data)
    tag = str(event.__struct_config__.tag)
    if not subject.endswith(f".{tag}") or not 0 <= event.prev_seq < _MAX_SEQ:
        raise UndecodableEvent("subject and payload name different events")
    return Entry(seq, at, subject, None, tag, event.prev_seq, data)


def conflict(seq: int, at: int, subject: str, data: bytes, reason: str) -> Conflict:
    """A conflict as the database can hold it: its text has no NUL."""
    return Conflict(seq, at, subject.replace("\0", "�"), data, reason.replace("\0", "�"))


def whole(data: bytes, payload_sha: bytes | None, payload: bytes | None) -> bytes:
    """The event's bytes as they stood in the stream; with `null` where its payload has been erased."""
    if payload_sha is None:
        return data
    return data.replace(_reference(payload_sha), ERASED if payload is None else payload, 1)


def scrubbed(data: bytes) -> bytes:
    """What is left of an event's row once its request is erased: an event still, with its references, but without metadata,
    logs and what a handler said of its failure. Raises UndecodableEvent."""
    before = event = codec.requests.decode(data)
    _, payload = _payload(event)
    if payload and _REFERENCE.fullmatch(payload) is None:
        event = _referring(event, NULL)  # it could not be cut out
    left = without_words(event)
    return data if left == before else codec.requests.encode(left)


def refers_rightly(event: RequestEvent, payload_sha: bytes | None) -> bool:
    """Whether an event, as its row keeps it, refers to the payload that the row names, or to none when it names none."""
    _, payload = _payload(event)
    return _REFERENCE.fullmatch(payload) is None if payload_sha is None else payload == _reference(payload_sha)


def _reference(digest: bytes) -> bytes:
    return b'"sha256:' + digest.hex().encode() + b'"'


def _check(event: RequestEvent, subject: str) -> None:
    """Subject and payload must agree, and fit the columns."""
    rid = event.rid
    if not is_request_id(rid) or "\0" in subject:
        raise UndecodableEvent("malformed request id or subject")
    if not subject.startswith(f"ws.req.{rid[32:]}.{rid}.{type_of(event)}.{event.space}."):
        raise UndecodableEvent("subject and payload name different events")
    if not (0 <= event.prev_seq < _MAX_SEQ and 0 <= event.attempt < _MAX_ATTEMPT):
        raise UndecodableEvent("a number is out of range")
    first = event.accepted if isinstance(event, Restored) else event
    if isinstance(first, Accepted) and ("\0" in first.user or first.rid != rid):
        raise UndecodableEvent("malformed user or request id")


def _payload(event: RequestEvent) -> tuple[bytes, bytes]:
    match event:
        case Accepted() | Assigned():
            return b'"input":', bytes(event.input)
        case Restored():
            return b'"input":', bytes(event.accepted.input)
        case Succeeded():
            return b'"output":', bytes(event.output)
        case _:
            return b"", b""


def _referring(event: RequestEvent, reference: msgspec.Raw) -> RequestEvent:
    match event:
        case Accepted() | Assigned():
            return msgspec.structs.replace(event, input=reference)
        case Restored():
            return msgspec.structs.replace(event, accepted=msgspec.structs.replace(event.accepted, input=reference))
        case Succeeded():
            return msgspec.structs.replace(event, output=reference)
        case _:
            return event
