"""A server of files for agents under test: downloads with ranges, uploads by tus 1.0.0, all in memory. It stands in for a
gateway where a test is about cuts and answers of which a gateway gives few, and does nothing else that a gateway does."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from spaces_agent import frames

TOKEN = "token=signed"
_PIECE_BYTES = 64 * 1024
_TUS = {"Tus-Resumable": "1.0.0"}


@dataclass
class Kept:
    """A file, as far as it is there."""

    length: int
    data: bytearray = field(default_factory=bytearray)
    said: dict[str, str] = field(default_factory=dict)
    """What the upload said of it."""
    writers: int = 0


class FileServer:
    """Its files by id. `answers` are given, in turn, instead of what would be right; None: what is right."""

    def __init__(self) -> None:
        self.files: dict[str, Kept] = {}
        self.answers: list[Response | None] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        """The method of each request, and its headers."""
        self.ranges = True
        """Else a range is ignored, as a server may."""
        self.port = 0
        self.upload_url = f"{frames.FILES_PATH}?{TOKEN}"
        self._numbers = count(1)

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.asked]

    @property
    def address(self) -> str:
        """As an agent knows it."""
        return f"ws://127.0.0.1:{self.port}{frames.CONNECT_PATH}"

    def add(self, data: bytes, **changes: object) -> frames.FileAccess:
        """A file that an assignment may name."""
        id = f"ada.{next(self._numbers):032x}"
        self.files[id] = Kept(len(data), bytearray(data))
        given: dict[str, object] = {
            "ref": f"{frames.FILES_PATH}/{id}",
            "url": f"{frames.FILES_PATH}/{id}/content?{TOKEN}",
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        return frames.FileAccess(**{**given, **changes})  # type: ignore[arg-type]

    def saved(self, ref: str) -> bytes:
        """What was uploaded, all of it."""
        kept = self.files[ref.rpartition("/")[2]]
        assert len(kept.data) == kept.length
        return bytes(kept.data)

    def application(self) -> Starlette:
        """The server."""
        return Starlette(
            routes=[
                Route(frames.FILES_PATH, self._create, methods=["POST"]),
                Route(f"{frames.FILES_PATH}/{{id}}", self._append, methods=["PATCH"]),
                Route(f"{frames.FILES_PATH}/{{id}}", self._tell, methods=["HEAD"]),
                Route(f"{frames.FILES_PATH}/{{id}}/content", self._read, methods=["GET"]),
            ]
        )

    def _instead(self, request: Request) -> Response | None:
        self.asked.append((request.method, dict(request.headers)))
        if self.answers and (answer := self.answers.pop(0)) is not None:
            return answer
        if request.url.query != TOKEN:
            return problem(403, "the token is not valid")
        if request.path_params.get("id", "") not in {"", *self.files}:
            return problem(404, "there is no such file")
        return None

    async def _create(self, request: Request) -> Response:
        if (instead := self._instead(request)) is not None:
            return instead
        pairs = (pair.split(" ") for pair in request.headers.get("upload-metadata", "").split(",") if pair)
        id = f"{'0' * 34}.7.{next(self._numbers):032x}"
        length = int(request.headers["upload-length"])
        self.files[id] = Kept(length, said={key: base64.b64decode(value).decode() for key, value in pairs})
        location = str(request.url.replace(path=f"{frames.FILES_PATH}/{id}", query=""))
        return Response(status_code=201, headers={**_TUS, "Location": location, "Upload-Offset": "0"})

    async def _append(self, request: Request) -> Response:
        if (instead := self._instead(request)) is not None:
            return instead
        kept = self.files[request.path_params["id"]]
        if int(request.headers["upload-offset"]) != len(kept.data):
            return problem(409, f"there are {len(kept.data)} bytes")
        kept.writers += 1
        writer = kept.writers
        try:
            async for piece in request.stream():
                if writer == kept.writers:
                    kept.data += piece
        except ClientDisconnect:
            pass
        return Response(status_code=204, headers={**_TUS, "Upload-Offset": str(len(kept.data))})

    async def _tell(self, request: Request) -> Response:
        if (instead := self._instead(request)) is not None:
            return instead
        kept = self.files[request.path_params["id"]]
        kept.writers += 1  # what is still on its way from before comes too late
        return Response(headers={**_TUS, "Upload-Offset": str(len(kept.data)), "Upload-Length": str(kept.length)})

    async def _read(self, request: Request) -> Response:
        if (instead := self._instead(request)) is not None:
            return instead
        data = self.files[request.path_params["id"]].data
        tag = f'"{hashlib.sha256(data).hexdigest()}"'
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        first = int(wanted[1]) if wanted and self.ranges and request.headers.get("if-range", tag) == tag else 0
        headers = {"ETag": tag, "Content-Length": str(len(data) - first)}
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        return StreamingResponse(_pieces(data, first), 206 if first else 200, headers)


async def _pieces(data: bytearray, first: int) -> AsyncIterator[bytes]:
    for start in range(first, len(data), _PIECE_BYTES):
        yield bytes(data[start : start + _PIECE_BYTES])


def problem(status: int, detail: str, **headers: str) -> Response:
    """A problem document."""
    return JSONResponse({"title": "No", "detail": detail}, status, headers, media_type="application/problem+json")


@asynccontextmanager
async def file_server() -> AsyncIterator[FileServer]:
    """A server that runs until the end of the block."""
    files = FileServer()
    listening = socket.create_server(("127.0.0.1", 0))
    files.port = listening.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(files.application(), log_level="critical", lifespan="off", ws="none"))
    serving = asyncio.create_task(server.serve([listening]))
    try:
        yield files
    finally:
        server.should_exit = server.force_exit = True
        await serving
