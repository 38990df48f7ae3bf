"""What clients do with files, but for their bytes, as values. Pure."""

from __future__ import annotations

import base64

from spaces_client import files as told
from spaces_client import lists
from spaces_client.call import Call, nothing, segment
from spaces_client.files import PATH, File, id_of
from spaces_client.lists import Listing

TUS = {"Tus-Resumable": "1.0.0"}


def files(*, space: str | None = None, user: str | None = None, limit: int | None = None) -> Listing[File]:
    """Files, the newest first, `limit` at most: one's own, or all for an administrator, who may name a user (by id or e-mail
    address). Pages are asked for as they are needed, so the iterator may raise ClientError."""
    return Listing(PATH, lists.filters(space=space, user=user), told.file, limit)


def file(id_or_reference: str) -> Call[File]:
    """What is known of a file. Raises ClientError, with `data_expired` when it is no longer kept."""
    return Call(method="GET", path=path(id_or_reference), read=told.file)


def delete_file(id_or_reference: str) -> Call[None]:
    """Delete a file; one that is deleted stays so. Raises ClientError, with `file_in_use` when a request that has not ended
    refers to it."""
    return Call(method="DELETE", path=path(id_or_reference), read=nothing)


def path(id_or_reference: str, part: str = "") -> str:
    """Where a file is."""
    return f"{PATH}/{segment(id_of(id_or_reference))}{part}"


def posted(space: str, name: str, media_type: str, content: bytes) -> Call[File]:
    """A whole file at once."""
    query = {"space": space, "name": name} if name else {"space": space}
    return Call(method="POST", path=PATH, query=query, body=content, media_type=media_type, read=told.file)


def begun(space: str, name: str, media_type: str, size: int) -> Call[File]:
    """A file whose bytes are to come (tus 1.0.0, creation)."""
    said = {"filename": name, "filetype": media_type}
    metadata = ",".join(f"{key} {base64.b64encode(text.encode()).decode()}" for key, text in said.items() if text)
    headers = TUS | {"Upload-Length": str(size)} | ({"Upload-Metadata": metadata} if metadata else {})
    return Call(method="POST", path=PATH, query={"space": space}, headers=headers, read=told.file)
