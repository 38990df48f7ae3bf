"""Bodies of files: as they come, never whole in memory."""

import asyncio
from collections.abc import AsyncIterator, Mapping

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


class FormFile:
    """The one part, named `file`, of a multipart/form-data body (RFC 7578)."""

    def __init__(self, content_type: bytes) -> None:
        """Raises ApiProblem when the Content-Type has no boundary."""
        _, options = parse_options_header(content_type)
        self.name, self.media_type = "", ""
        self._field, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._parts, self._ready, self._ended = 0, False, False
        self._data: list[bytes] = []
        try:
            self._parser = MultipartParser(
                options.get(b"boundary", b""),
                {
                    "on_part_begin": self._on_part,
                    "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                    "on_header_end": self._on_header,
                    "on_headers_finished": self._on_headers,
                    "on_part_data": lambda data, start, end: self._data.append(data[start:end]),
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise _damaged(error) from None
        if b"boundary" not in options:
            raise _damaged("there is no boundary")

    async def open(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Read as far as the part begins; then name and media type are known, and its bytes are what is returned. Raises
        ApiProblem, ClientDisconnect."""
        read = 0
        while not self._ready:
            if (data := await anext(body, None)) is None or read > OVERHEAD:
                raise _damaged("there is no part named `file`")
            read += len(data)
            self._feed(data)
        return self._rest(body)

    async def _rest(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        while True:
            for piece in self._data:
                yield piece
            self._data.clear()
            if (data := await anext(body, None)) is None:
                break
            self._feed(data)
        if not self._ended:
            raise _damaged("it ends before its last boundary")

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _damaged(error) from None

    def _on_part(self) -> None:
        self._parts += 1
        if self._parts > 1:
            raise ApiProblem("invalid_request", "Send one part, named `file`; all else stands in the query.")

    def _on_header(self) -> None:
        self._headers[bytes(self._field).lower()] = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if options.get(b"name") != b"file":
            raise _damaged("its part must be named `file`")
        self.name = options.get(b"filename", b"").decode(errors="replace")
        self.media_type = self._headers.get(b"content-type", b"").decode("latin-1")
        self._ready = True

    def _on_end(self) -> None:
        self._ended = True


def _damaged(why: object) -> ApiProblem:
    return ApiProblem("invalid_request", f"The body is no multipart/form-data with a file: {why}.")
