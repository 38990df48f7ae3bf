"""Bodies of files: as they come, never whole in memory."""

import asyncio
import dataclasses
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from services.gateway.problems import ApiProblem

SILENT_S = 60.0
"""So long may a body pause; who pauses longer resumes."""
OVERHEAD = 64 * 1024
"""So much may a form have beside its file."""
_CLOSE = {"Connection": "close"}


def headers_of(request: Request) -> dict[bytes, bytes]:
    """The header fields, names in lower case."""
    return dict(request.scope["headers"])


def content_length(headers: Mapping[bytes, bytes]) -> int | None:
    """How long the body says that it is; None when it does not."""
    text = headers.get(b"content-length", b"")
    return int(text) if text.isdigit() else None


async def pieces(request: Request) -> AsyncIterator[bytes]:
    """The body, as it comes. Raises ClientDisconnect when it is cut off, ApiProblem when nothing comes for long."""
    more = True
    while more:
        try:
            async with asyncio.timeout(SILENT_S):
                message = await request.receive()
        except TimeoutError:
            raise ApiProblem("invalid_request", f"No byte of the body came for {SILENT_S:g} s.", headers=_CLOSE) from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        if data := message.get("body", b""):
            yield data
        more = message.get("more_body", False)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a form. `data` has its bytes, and ends where it does; `filename` is None when it is no file."""

    name: str
    filename: str | None
    media_type: str
    data: AsyncIterator[bytes]


class Form:
    """A multipart/form-data body (RFC 7578)."""

    def __init__(self, content_type: bytes, body: AsyncIterator[bytes]) -> None:
        """Raises ApiProblem when the Content-Type has no boundary."""
        _, options = parse_options_header(content_type)
        self._body, self._ended = body, False
        self._field, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._found: deque[Mapping[bytes, bytes] | bytes | None] = deque()
        """What was read and is not given away: the headers of a part, its bytes, and None for its end."""
        try:
            self._parser = MultipartParser(
                options.get(b"boundary", b""),
                {
                    "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                    "on_header_end": self._on_header,
                    "on_headers_finished": self._on_headers,
                    "on_part_data": lambda data, start, end: self._found.append(data[start:end]),
                    "on_part_end": lambda: self._found.append(None),
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise _damaged(error) from None
        if b"boundary" not in options:
            raise _damaged("there is no boundary")

    async def part(self) -> Part | None:
        """The next part, None after the last; what nobody has read of the one before is passed over. Raises ApiProblem,
        ClientDisconnect."""
        read = 0
        while True:
            while self._found:
                found = self._found.popleft()
                if isinstance(found, Mapping):
                    return self._part(found)
            if read > OVERHEAD:
                raise _damaged(f"a part does not begin within {OVERHEAD} bytes")
            if self._ended or (data := await anext(self._body, None)) is None:
                break
            read += len(data)
            self._feed(data)
        if not self._ended:
            raise _damaged("it ends before its last boundary")
        return None

    def _part(self, headers: Mapping[bytes, bytes]) -> Part:
        _, options = parse_options_header(headers.get(b"content-disposition", b""))
        filename = options.get(b"filename")
        return Part(
            name=options.get(b"name", b"").decode(errors="replace"),
            filename=None if filename is None else filename.decode(errors="replace"),
            media_type=headers.get(b"content-type", b"").decode("latin-1"),
            data=self._data(),
        )

    async def _data(self) -> AsyncIterator[bytes]:
        while True:
            while self._found:
                found = self._found.popleft()
                if not isinstance(found, bytes):
                    return
                yield found
            if (data := await anext(self._body, None)) is None:
                raise _damaged("it ends before its last boundary")
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _damaged(error) from None

    def _on_header(self) -> None:
        self._headers[bytes(self._field).lower()] = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _on_headers(self) -> None:
        self._found.append(self._headers)
        self._headers = {}

    def _on_end(self) -> None:
        self._ended = True


async def form_file(content_type: bytes, body: AsyncIterator[bytes]) -> Part:
    """The one part, named `file`, of a form; when its data have been read, the form has ended. Raises ApiProblem,
    ClientDisconnect."""
    form = Form(content_type, body)
    part = await form.part()
    if part is None or part.name != "file":
        raise _damaged("there is no part named `file`")

    async def data() -> AsyncIterator[bytes]:
        async for piece in part.data:
            yield piece
        if await form.part() is not None:
            raise ApiProblem("invalid_request", "Send one part, named `file`; all else stands in the query.")

    return dataclasses.replace(part, data=data())


def _damaged(why: object) -> ApiProblem:
    return ApiProblem("invalid_request", f"The body is no multipart/form-data as it should be: {why}.")
