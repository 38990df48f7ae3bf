"""Files: their ids, and the record of each, which is the meta message of an object in the format of NATS's object stores
(ADR-20 of NATS), so that `nats object ls ws_files` shows it. Our own fields are texts in its `metadata`.

A record's life is a chain, each link written over the one before it: uploading, complete (again and again, when it is kept
longer), deleted. `services.runtime.file_store` keeps to that with compare-and-set.
"""

import base64
import re
from typing import Any, Literal, get_args

import msgspec

from services.contracts.ids import is_request_id, uuid7
from services.contracts.instants import exact, nanoseconds

State = Literal["uploading", "complete", "deleted"]
Kind = Literal["upload", "output", "input", "result"]
"""What it is: uploaded by a user, or by a handler; or a request's whole input or output, which was too large to stand in an
event."""
BUCKET = "ws_files"
CHUNK_BYTES = 128 * 1024
INDEX_BYTES = 4 * 1024 * 1024
"""The index of a file has the sequence of the chunk at each multiple of this."""
MAX_FILE_NAME = 200
REFERENCE = "/v1/files/"
"""A text in an input or output that begins with this, with a file's id behind it, stands for the file."""

_ID = re.compile(r"(?P<owner>[A-Za-z0-9][A-Za-z0-9_-]{0,63})(\.(?P<lease>[1-9][0-9]{0,18}))?\.[0-9a-f]{32}")
_DIGEST = "SHA-256="
_STATES: frozenset[str] = frozenset(get_args(State))
_KINDS: frozenset[str] = frozenset(get_args(Kind))


class FileMeta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is stored of a file: the object's info, as clients of object stores know it. `size`, `chunks` and `digest` are
    there when it is complete."""

    name: str
    bucket: str
    nuid: str
    size: int = 0
    chunks: int = 0
    digest: str = ""
    deleted: bool = False
    metadata: dict[str, str] = {}
    options: dict[str, Any] = {}


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file, as its record says. Its bytes are in the chunks of `nuid`. `length`: how many are to come, None when nobody
    has said; `size`: how many there are, once it is complete. Instants are in nanoseconds since 1970; from `expires_at` on
    it may be deleted, unless an open request needs it. `revision` is the sequence of the record (0: not stored yet)."""

    id: str
    nuid: str
    state: State
    kind: Kind
    space: str
    user: str
    key_id: str
    created_at: int
    expires_at: int
    rid: str = ""
    lease: int = 0
    name: str = ""
    media_type: str = "application/octet-stream"
    length: int | None = None
    size: int = 0
    chunks: int = 0
    sha256: str = ""
    index: tuple[int, ...] = ()
    revision: int = 0


class UnknownRecord(ValueError):
    """The bytes are no record of a file of ours."""


def upload_id(user: str, unix_ms: int, entropy: bytes) -> str:
    """The id of a user's new file."""
    return f"{user}.{uuid7(unix_ms, entropy)}"


def output_id(rid: str, lease: int, unix_ms: int, entropy: bytes) -> str:
    """The id of a new file of one attempt at a request: another attempt's has another, whatever it is called."""
    return f"{rid}.{lease}.{uuid7(unix_ms, entropy)}"


def is_file_id(text: str) -> bool:
    """Whether the text has the form of a file's id."""
    match = _ID.fullmatch(text)
    return match is not None and (match["lease"] is None or is_request_id(match["owner"]))


def reference(id: str) -> str:
    """The text that stands for the file in inputs and outputs; also the path of the file."""
    return REFERENCE + id


def referred(text: str) -> str | None:
    """The id of the file that a text in an input or output stands for; None when it is no reference."""
    id = text.removeprefix(REFERENCE)
    return id if len(id) < len(text) and is_file_id(id) else None


def completed(
    file: File, *, size: int, chunks: int, sha256: str, index: tuple[int, ...], media_type: str, expires_at: int
) -> File:
    """The record after `uploading`, when all bytes are there."""
    return msgspec.structs.replace(
        file,
        state="complete",
        size=size,
        chunks=chunks,
        sha256=sha256,
        index=index,
        media_type=media_type,
        expires_at=expires_at,
    )


def kept_until(file: File, expires_at: int) -> File:
    """The record of a file that is needed at least so long."""
    return msgspec.structs.replace(file, expires_at=max(file.expires_at, expires_at))


def deleted(file: File) -> File:
    """The last record: what says that there was such a file, and nothing of what it held or was called."""
    return msgspec.structs.replace(
        file, state="deleted", name="", media_type="", sha256="", size=0, chunks=0, index=(), length=None
    )


def encode(file: File) -> bytes:
    """The record as it is stored."""
    metadata = {
        "state": file.state,
        "kind": file.kind,
        "space": file.space,
        "owner": file.user,
        "key": file.key_id,
        "created_at": exact(file.created_at),
        "expires_at": exact(file.expires_at),
        "rid": file.rid,
        "lease": str(file.lease) if file.lease else "",
        "filename": file.name,
        "media_type": file.media_type,
        "length": "" if file.length is None else str(file.length),
        "sha256": file.sha256,
        "index": " ".join(map(str, file.index)),
    }
    digest = base64.urlsafe_b64encode(bytes.fromhex(file.sha256)).decode() if file.sha256 else ""
    meta = FileMeta(
        name=file.id,
        bucket=BUCKET,
        nuid=file.nuid,
        size=file.size,
        chunks=file.chunks,
        digest=_DIGEST + digest if digest else "",
        deleted=file.state == "deleted",
        metadata={key: value for key, value in metadata.items() if value},
        options={"max_chunk_size": CHUNK_BYTES},
    )
    return msgspec.json.encode(meta)


def decode(data: bytes, revision: int) -> File:
    """The record that was stored at a sequence. Raises UnknownRecord: somebody else has put an object there."""
    try:
        meta = msgspec.json.decode(data, type=FileMeta)
        ours = meta.metadata
        if ours["state"] not in _STATES or ours["kind"] not in _KINDS or not is_file_id(meta.name):
            raise UnknownRecord(meta.name[:80])
        return File(
            id=meta.name,
            nuid=meta.nuid,
            state=ours["state"],  # type: ignore[arg-type]
            kind=ours["kind"],  # type: ignore[arg-type]
            space=ours["space"],
            user=ours["owner"],
            key_id=ours["key"],
            created_at=nanoseconds(ours["created_at"]),
            expires_at=nanoseconds(ours["expires_at"]),
            rid=ours.get("rid", ""),
            lease=int(ours.get("lease", "0")),
            name=ours.get("filename", ""),
            media_type=ours.get("media_type", ""),
            length=int(ours["length"]) if "length" in ours else None,
            size=meta.size,
            chunks=meta.chunks,
            sha256=ours.get("sha256", ""),
            index=tuple(map(int, ours.get("index", "").split())),
            revision=revision,
        )
    except (msgspec.MsgspecError, KeyError, ValueError) as error:
        raise UnknownRecord(str(error)) from error
