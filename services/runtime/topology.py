"""Streams and buckets: declared once, here, and brought about idempotently by the provisioner."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import Any

import msgspec
from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.ids import PARTS
from services.runtime.errors import Final, NatsUnavailable
from services.runtime.jetstream import ApiError, ErrorBody, StreamInfo, api, raise_error, stream_info
from services.runtime.kv import MARKER_S
from services.runtime.settings import Settings

log = logging.getLogger("services.topology")

_HOUR_NS = 3600 * 10**9
_DAY_NS = 24 * _HOUR_NS
OUTPUT_AGE_NS = _HOUR_NS
"""Output records are for those who watch; the outcome holds the whole output again."""
STREAM_NOT_FOUND = 10059
EPOCH, PARTITIONS = "ws-epoch", "ws-parts"
IDEMPOTENCY_TTL_S = 24 * 3600.0
_LOOK_S = 0.5


LIVE_STREAM, KEYS_STREAM = f"KV_{subjects.LIVE}", f"KV_{subjects.KEYS}"
"""The streams behind two of the buckets."""
IRREPLACEABLE = (subjects.REQUESTS, subjects.CONNECTIONS, subjects.DIRECTORY, KEYS_STREAM)
"""Empty ones in the place of these would forget what the log remembers."""


class RecoveryNeeded(Final):
    """Streams are gone but PostgreSQL remembers them: new ones would forget accepted requests, users and keys. `problem`
    says which; the message, what to do as well."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}: bring NATS's data back, or run `spaces recover`")
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Declaration:
    """One stream as it must be; `config` is the server's own JSON."""

    name: str
    config: dict[str, Any] = field(default_factory=dict)


def streams(settings: Settings) -> list[Declaration]:
    """All streams and buckets."""
    common = {"num_replicas": settings.replicas, "retention": "limits", "allow_direct": True}
    requests = common | {
        "subjects": [subjects.ALL_REQUESTS],
        "storage": "file",
        "max_bytes": settings.stream_max_bytes,
        "discard": "new",
        "duplicate_window": 120 * 10**9,
        "deny_delete": True,
        "republish": {"src": subjects.REPUBLISH_FROM, "dest": subjects.REPUBLISH_TO},
        "metadata": {EPOCH: "1", PARTITIONS: str(PARTS)},
    }
    log = common | {"storage": "file", "deny_delete": True, "duplicate_window": 120 * 10**9, "metadata": {EPOCH: "1"}}
    return [
        Declaration(subjects.REQUESTS, requests),
        Declaration(subjects.CONNECTIONS, log | {"subjects": [subjects.ALL_CONNECTIONS], "max_age": 7 * _DAY_NS}),
        Declaration(subjects.DIRECTORY, log | {"subjects": [subjects.ALL_DIRECTORY]}),
        Declaration(subjects.OUTPUT, common | _output(settings)),
        *(
            Declaration(f"KV_{name}", common | _bucket(name))
            for name in (
                *(subjects.LIVE, subjects.LEASES, subjects.CLAIMS, subjects.KEYS),
                *(subjects.SESSIONS, subjects.SIGN_INS, subjects.KEY_USES),
            )
        ),
        Declaration(subjects.FILES, common | _files(settings)),
    ]


def _output(settings: Settings) -> dict[str, Any]:
    return {
        "subjects": [subjects.ALL_OUTPUT],
        "storage": "file",
        "max_age": OUTPUT_AGE_NS,
        "max_bytes": settings.output_max_bytes,
        "discard": "old",
        "duplicate_window": 0,  # records have no ids: each is appended expecting the one before it
        "deny_delete": True,
        "metadata": {EPOCH: "1"},
    }


def _files(settings: Settings) -> dict[str, Any]:
    return {
        "subjects": [subjects.ALL_CHUNKS, subjects.ALL_FILES],
        "storage": "file",
        "max_bytes": settings.files_max_bytes,
        "discard": "new",
        "duplicate_window": 0,  # each chunk, and each record, is stored expecting the one before it
        "deny_delete": True,
        "allow_rollup_hdrs": True,
        "allow_msg_ttl": True,
        "metadata": {EPOCH: "1"},
    }


def _bucket(name: str) -> dict[str, Any]:
    # File storage throughout: a memory stream of a single server does not survive that server's restart (ADR 2).
    return {
        "subjects": [f"$KV.{name}.>"],
        "storage": "file",
        "max_msgs_per_subject": 1,
        "discard": "new",
        "deny_delete": True,
        "allow_rollup_hdrs": True,
        "allow_msg_ttl": True,
        "subject_delete_marker_ttl": MARKER_S * 10**9,
    }


class _Answer(msgspec.Struct):
    error: ErrorBody | None = None


async def provision(nc: Client, settings: Settings, recorded: bool) -> list[str]:
    """Bring about what is declared and return the names of the streams that were made. `recorded`: PostgreSQL has recorded
    something of them. Raises RecoveryNeeded, ApiError, NatsUnavailable."""
    declared = streams(settings)
    found = await asyncio.gather(*(info_of(nc, declaration.name) for declaration in declared))
    missing = [declaration.name for declaration, info in zip(declared, found, strict=True) if info is None]
    gone = [name for name in missing if name in IRREPLACEABLE]
    if gone and recorded:
        what = f"the stream {gone[0]} is" if len(gone) == 1 else f"the streams {', '.join(gone)} are"
        raise RecoveryNeeded(f"{what} gone from NATS but the log in PostgreSQL is not")

    async def make(each: Declaration) -> None:
        await (create if each.name in missing else update)(nc, each)

    # At once, since each takes a cluster some time: its servers agree on it and elect who leads it. But one comes last: see
    # wait_until_provisioned.
    await asyncio.gather(*(make(each) for each in declared if each.name != LIVE_STREAM))
    await asyncio.gather(*(make(each) for each in declared if each.name == LIVE_STREAM))
    return missing


async def wait_until_provisioned(nc: Client) -> None:
    """Return when the stream that the provisioner makes last is there; until then, wait, for NATS as well."""
    told = False
    while True:
        with contextlib.suppress(NatsUnavailable):
            if await info_of(nc, LIVE_STREAM) is not None:
                return
            if not told:
                told = True
                log.warning("waiting for `spaces provision`: the stream %s is not there", LIVE_STREAM)
        await asyncio.sleep(_LOOK_S)


async def info_of(nc: Client, name: str) -> StreamInfo | None:
    """The stream of this name, None when there is none. Raises ApiError, NatsUnavailable."""
    try:
        return await stream_info(nc, name)
    except ApiError as error:
        if error.err_code == STREAM_NOT_FOUND:
            return None
        raise


async def create(nc: Client, declaration: Declaration) -> None:
    """Make the stream; harmless when it is there just so. Raises ApiError, NatsUnavailable."""
    await _administer(nc, "CREATE", declaration.name, declaration.config | {"name": declaration.name})


async def update(nc: Client, declaration: Declaration) -> None:
    """Make an existing stream what is declared. Raises ApiError; NatsUnavailable, also when the stream is not there any more:
    one server of a cluster may know of a stream, or of its end, before another does, so who asks should look again."""
    try:
        # The epoch is a stream's own history, not ours to reset.
        current = await stream_info(nc, declaration.name)
        metadata = declaration.config.get("metadata", {}) | current.config.metadata
        config = declaration.config | {"name": declaration.name, "metadata": metadata}
        await _administer(nc, "UPDATE", declaration.name, config)
    except ApiError as error:
        if error.err_code != STREAM_NOT_FOUND:
            raise
        raise NatsUnavailable(f"{declaration.name}: {error}") from error


async def delete(nc: Client, name: str) -> None:
    """Delete a stream with all that it holds. Raises ApiError, NatsUnavailable."""
    await _administer(nc, "DELETE", name, None)


async def _administer(nc: Client, verb: str, name: str, body: dict[str, Any] | None) -> None:
    answer = msgspec.json.decode(await api(nc, f"STREAM.{verb}.{name}", body), type=_Answer)
    raise_error(answer.error)
