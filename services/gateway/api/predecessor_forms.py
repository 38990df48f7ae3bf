"""Forms of the predecessor's clients, urlencoded or in parts; the files in them are stored as they come."""

from collections.abc import AsyncIterator
from typing import NamedTuple
from urllib.parse import parse_qsl

from starlette.requests import Request

from services.contracts.accounts import Space
from services.contracts.files import File, reference
from services.gateway import intake
from services.gateway.api.bodies import Form, Part, pieces
from services.gateway.api.requests import body_of
from services.gateway.auth import Caller
from services.gateway.downloads import safe_name
from services.gateway.files import Files
from services.gateway.media_types import normal
from services.gateway.predecessor import FILE_FIELDS, unknown_field
from services.gateway.problems import ApiProblem
from services.gateway.storing import NewFile

_URLENCODED, _MULTIPART = b"application/x-www-form-urlencoded", b"multipart/form-data"
_MAX_FIELDS, _MAX_NAME = 16, 64


class Filled(NamedTuple):
    """A form: references stand for its files, whose SHA-256 are in `digests`, by field."""

    fields: dict[str, str]
    digests: dict[str, str]


async def filled(request: Request, caller: Caller, space: Space, files: Files) -> Filled:
    """The form in a body. Raises ApiProblem, ClientDisconnect, NatsUnavailable."""
    content_type = request.headers.get("content-type", "").encode("latin-1")
    kind = content_type.partition(b";")[0].strip().lower()
    if kind == _URLENCODED:
        return Filled(_urlencoded(await body_of(request)), {})
    if kind != _MULTIPART:
        raise ApiProblem("invalid_request", "The body must be a form: multipart/form-data, or urlencoded.")
    found, left = Filled({}, {}), intake.MAX_BODY_BYTES
    form = Form(content_type, pieces(request))
    while (part := await form.part()) is not None:
        if len(found.fields) == _MAX_FIELDS:
            raise ApiProblem("invalid_request", f"The form has more than {_MAX_FIELDS} fields.")
        if part.filename is None:
            text = await _read(part.data, left)
            left -= len(text)
            found.fields[part.name[:_MAX_NAME]] = _decoded(text)
        # A page sends a file without a name for a field that was left empty.
        elif part.filename:
            file = await _stored(part, part.filename, caller, space, files)
            found.fields[part.name], found.digests[part.name] = reference(file.id), file.sha256
    return found


async def _stored(part: Part, filename: str, caller: Caller, space: Space, files: Files) -> File:
    if part.name not in FILE_FIELDS:
        raise unknown_field(part.name)
    new = NewFile(
        kind="upload",
        space=space.space,
        user=caller.user.user,
        key_id=caller.key.key_id,
        name=safe_name(filename),
        media_type=normal(part.media_type),
    )
    return await files.store(new, part.data)


def _urlencoded(body: bytes) -> dict[str, str]:
    try:
        text = body.decode()
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        raise ApiProblem("invalid_request", f"The body is no form of at most {_MAX_FIELDS} fields in UTF-8.") from None
    return dict(pairs)


async def _read(data: AsyncIterator[bytes], most: int) -> bytes:
    found = bytearray()
    async for piece in data:
        found += piece
        if len(found) > most:
            raise intake.too_large()
    return bytes(found)


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise ApiProblem("invalid_request", "A field is no text in UTF-8.") from None
