"""Which bytes the store of files holds, whatever the records say."""

import msgspec
from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.subjects import FILES
from services.runtime.jetstream import ErrorBody, api, get, raise_error

_PREFIX = subjects.ALL_CHUNKS.removesuffix(">")


class _State(msgspec.Struct):
    subjects: dict[str, int] | None = None


class _Info(msgspec.Struct):
    state: _State = msgspec.field(default_factory=_State)
    total: int = 0
    error: ErrorBody | None = None


async def stored_nuids(nc: Client) -> set[str]:
    """The names of all bytes that are stored, also where only that is left which takes the place of deleted ones. Raises
    NatsUnavailable, ApiError."""
    found: set[str] = set()
    while True:
        # The server counts subjects for us, some 100,000 at a time.
        body = {"subjects_filter": subjects.ALL_CHUNKS, "offset": len(found)}
        answer = msgspec.json.decode(await api(nc, f"STREAM.INFO.{FILES}", body), type=_Info)
        raise_error(answer.error)
        page = answer.state.subjects or {}
        found.update(subject.removeprefix(_PREFIX) for subject in page)
        if not page or len(found) >= answer.total:
            return found


async def written_at(nc: Client, nuid: str) -> int | None:
    """When the last of these bytes were stored, in nanoseconds since 1970; None when there are none, or no more. Raises
    NatsUnavailable, ApiError, InvalidToken."""
    last = await get(nc, FILES, last=subjects.file_chunks(nuid))
    return last.time_ns if last is not None and last.data else None
