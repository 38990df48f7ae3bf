"""JetStream as we use it: raw API requests with typed answers.

The client library's own helpers are avoided where they decide too much: they read from followers, swallow expectations, or
cannot say why they failed.
"""

import base64
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from typing import Any

import msgspec
import nats.errors
from nats.aio.client import Client

from services.contracts.instants import nanoseconds
from services.runtime.errors import Final, NatsUnavailable

API_TIMEOUT_S = 5.0
NOT_FOUND = 10037
UNAVAILABLE = 503
AWAY = frozenset({10005, 10118})
"""Too few servers of the cluster are there for a new stream, or none that has the stream."""
_HEADER_LINE = b"NATS/1.0\r\n"


class ApiError(Final):
    """JetStream refused an API request."""

    def __init__(self, code: int, err_code: int, description: str) -> None:
        super().__init__(f"{description} ({err_code})")
        self.code, self.err_code, self.description = code, err_code, description


class Behind(NatsUnavailable):
    """Who answers does not have yet what the stream is known to have had."""


class ErrorBody(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class PubAck(msgspec.Struct):
    """The server's answer to a publish into a stream: either a sequence or an error."""

    seq: int = 0
    duplicate: bool = False
    stream: str = ""
    error: ErrorBody | None = None


class _Message(msgspec.Struct):
    subject: str
    seq: int
    time: str
    data: str = ""
    hdrs: str = ""


class _MessageAnswer(msgspec.Struct):
    message: _Message | None = None
    error: ErrorBody | None = None


class StreamState(msgspec.Struct):
    """Where a stream begins and ends, and how full it is."""

    first_seq: int
    last_seq: int
    bytes: int
    messages: int


class StreamSettings(msgspec.Struct):
    """What we read back of a stream's configuration."""

    max_bytes: int = -1
    num_replicas: int = 1
    metadata: dict[str, str] = {}


class StreamInfo(msgspec.Struct):
    """A stream's configuration and state at the server's time `ts` (RFC 3339); `missing`: so many of its replicas are away
    or do not have yet what its leader has."""

    config: StreamSettings
    state: StreamState
    ts: str = ""
    missing: int = 0


class _Replica(msgspec.Struct):
    name: str = ""
    current: bool = True
    offline: bool = False


class _Cluster(msgspec.Struct):
    """Who leads a stream, and everybody else who has it, as the one that answers sees it."""

    leader: str = ""
    replicas: list[_Replica] | None = None

    @property
    def answered(self) -> bool:
        """Whether the leader has answered: without one the others do, each from what it has; and who answers does not name
        itself among the others."""
        return bool(self.leader) and all(replica.name != self.leader for replica in self.replicas or ())


class _StreamInfoAnswer(msgspec.Struct):
    config: StreamSettings = msgspec.field(default_factory=StreamSettings)
    state: StreamState | None = None
    ts: str = ""
    cluster: _Cluster | None = None
    error: ErrorBody | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A message in a stream. `time_ns` is the server's timestamp in nanoseconds since 1970."""

    seq: int
    time_ns: int
    subject: str
    data: bytes
    headers: dict[str, str] = field(default_factory=dict)


_ack_decoder = msgspec.json.Decoder(PubAck)
_message_decoder = msgspec.json.Decoder(_MessageAnswer)
_info_decoder = msgspec.json.Decoder(_StreamInfoAnswer)


async def api(nc: Client, operation: str, body: Any = None, timeout_s: float = API_TIMEOUT_S) -> bytes:
    """One request to `$JS.API.<operation>`. Raises NatsUnavailable."""
    payload = b"" if body is None else msgspec.json.encode(body)
    try:
        return bytes((await nc.request(f"$JS.API.{operation}", payload, timeout=timeout_s)).data)
    except (nats.errors.Error, TimeoutError) as error:
        raise NatsUnavailable(f"JetStream did not answer {operation}") from error


def raise_error(error: ErrorBody | None) -> None:
    """Raises ApiError when an answer carries an error; NatsUnavailable when it only says: not now."""
    if error is not None:
        if error.code == UNAVAILABLE or error.err_code in AWAY:
            raise NatsUnavailable(f"{error.description} ({error.err_code})")
        raise ApiError(error.code, error.err_code, error.description)


async def publish(nc: Client, subject: str, data: bytes, headers: dict[str, str], timeout_s: float) -> PubAck:
    """Send once; the answer may carry an error. Raises NatsUnavailable when nothing was heard: it may still be stored."""
    try:
        # The client changes the dict that it is given.
        message = await nc.request(subject, data, timeout=timeout_s, headers=dict(headers))
        return _ack_decoder.decode(message.data)
    except (nats.errors.Error, TimeoutError) as error:
        raise NatsUnavailable(f"no acknowledgement for {subject}") from error
    except msgspec.MsgspecError as error:
        raise NatsUnavailable(f"unreadable acknowledgement for {subject}") from error


async def get(
    nc: Client,
    stream: str,
    *,
    seq: int | None = None,
    last: str | None = None,
    following: str | None = None,
    known: int = 0,
    timeout_s: float = API_TIMEOUT_S,
) -> Stored | None:
    """One message from the stream's leader: at `seq`, the `last` of a filter, or the first of the filter `following` at or
    after `seq`. None when there is none. Raises NatsUnavailable, ApiError.

    A server that was paused, or is cut off, takes itself for the leader for a while and answers from what it has. `known` is
    a sequence that the stream is known to have had: an answer that does not reach it counts only if the stream does, else
    it raises Behind."""
    body: dict[str, Any] = {}
    if seq is not None:
        body["seq"] = seq
    if last is not None:
        body["last_by_subj"] = last
    if following is not None:
        body["next_by_subj"] = following
    found = await _get(nc, stream, body, timeout_s)
    if known == 0 or (found is not None and found.seq >= known):
        return found
    if (await stream_info(nc, stream, timeout_s)).state.last_seq < known:
        raise Behind(f"{stream}: who answers has not come to {known} yet")
    return await _get(nc, stream, body, timeout_s)


async def _get(nc: Client, stream: str, body: dict[str, Any], timeout_s: float) -> Stored | None:
    answer = _message_decoder.decode(await api(nc, f"STREAM.MSG.GET.{stream}", body, timeout_s))
    if answer.error is not None and answer.error.err_code == NOT_FOUND:
        return None
    raise_error(answer.error)
    assert answer.message is not None
    return _stored(answer.message)


def _stored(message: _Message) -> Stored:
    headers: dict[str, str] = {}
    if message.hdrs:
        raw = base64.b64decode(message.hdrs).removeprefix(_HEADER_LINE)
        headers = {key: str(value) for key, value in BytesHeaderParser().parsebytes(raw).items()}
    return Stored(message.seq, nanoseconds(message.time), message.subject, base64.b64decode(message.data), headers)


class _Purged(msgspec.Struct):
    purged: int = 0
    error: ErrorBody | None = None


async def purge(nc: Client, stream: str, filter: str, below_seq: int = 0) -> int:
    """Remove what a stream holds under a filter, only before a sequence if one is given; how many messages that were. Raises
    NatsUnavailable, ApiError."""
    body = {"filter": filter} | ({"seq": below_seq} if below_seq else {})
    answer = msgspec.json.decode(await api(nc, f"STREAM.PURGE.{stream}", body), type=_Purged)
    raise_error(answer.error)
    return answer.purged


class Limits(msgspec.Struct):
    """How much an account may store, in bytes; -1: whatever the server has room for."""

    max_storage: int = -1


class Usage(msgspec.Struct):
    """How much an account's streams store in files, in bytes."""

    storage: int = 0
    limits: Limits = msgspec.field(default_factory=Limits)
    error: ErrorBody | None = None


async def account_usage(nc: Client, timeout_s: float = API_TIMEOUT_S) -> Usage:
    """What the streams of our account take, and may. Raises NatsUnavailable, ApiError."""
    usage = msgspec.json.decode(await api(nc, "INFO", None, timeout_s), type=Usage)
    raise_error(usage.error)
    return usage


async def stream_info(nc: Client, stream: str, timeout_s: float = API_TIMEOUT_S) -> StreamInfo:
    """Configuration and state of a stream, from its leader. Raises NatsUnavailable, ApiError."""
    answer = _info_decoder.decode(await api(nc, f"STREAM.INFO.{stream}", None, timeout_s))
    raise_error(answer.error)
    if answer.cluster is not None and not answer.cluster.answered:
        raise NatsUnavailable(f"{stream} has no leader")
    assert answer.state is not None
    replicas = (answer.cluster.replicas if answer.cluster is not None else None) or []
    missing = sum(each.offline or not each.current for each in replicas)
    return StreamInfo(answer.config, answer.state, answer.ts, missing)
