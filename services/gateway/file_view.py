"""Files as the HTTP API shows them. Pure; the wire types, from which OpenAPI is generated."""

from typing import Annotated

import msgspec
from msgspec import Meta

from services.contracts.files import File, Kind, reference
from services.contracts.instants import rfc3339
from services.gateway.view import Instant


class FileUrlsObject(msgspec.Struct, frozen=True, rename={"itself": "self"}):
    """The file, which is also how inputs and outputs refer to it; and its bytes, at an address that is good for an hour
    without a key (null until it is complete)."""

    itself: str
    content: str | None


class FileObject(msgspec.Struct, frozen=True, kw_only=True):
    """A file. `kind`: `upload` of a user, `output` of a handler, or a request's whole `input` or `result`. `done`: all of
    its bytes have come. `size` and `sha256` are null until they are known; `received`: how many bytes have come. It may be
    deleted from `expires_at` on, unless a request that has not ended refers to it."""

    id: str
    kind: Kind
    space: str
    user: Annotated[str, Meta(description="Whose it is: a user's id.")]
    name: str
    media_type: str
    size: int | None
    received: int | None
    sha256: str | None
    done: bool
    created_at: Instant
    expires_at: Instant
    urls: FileUrlsObject


class FilesObject(msgspec.Struct, frozen=True, kw_only=True):
    """A page of files, the newest first; `received` is null of those on their way. `next` and `previous` are cursors, null
    where nothing is known to be."""

    results: list[FileObject]
    next: str | None
    previous: str | None


def file_object(file: File, content: str | None, received: int | None = None) -> FileObject:
    """A file that is not deleted; `content` is the address of its bytes."""
    done = file.state == "complete"
    return FileObject(
        id=file.id,
        kind=file.kind,
        space=file.space,
        user=file.user,
        name=file.name,
        media_type=file.media_type,
        size=file.size if done else file.length,
        received=file.size if done else received,
        sha256=file.sha256 if done else None,
        done=done,
        created_at=rfc3339(file.created_at),
        expires_at=rfc3339(file.expires_at),
        urls=FileUrlsObject(reference(file.id), content if done else None),
    )
