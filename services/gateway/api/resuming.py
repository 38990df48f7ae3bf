"""Uploads that go on: how many bytes there are, and the next ones."""

import contextlib

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.contracts.files import File
from services.gateway import tus
from services.gateway.api.access import Access
from services.gateway.api.bodies import content_length, headers_of, pieces
from services.gateway.api.file_operations import APPEND_FILE, FILE_OFFSET
from services.gateway.api.files import no_such_file, there, visible_file
from services.gateway.api.responses import NO_STORE
from services.gateway.auth import Caller
from services.gateway.files import Files
from services.gateway.problems import ApiProblem
from services.gateway.signing import UploadGrant
from services.gateway.storing import Storing
from services.gateway.uploads import Upload
from services.runtime.kv import Conflict

_ANSWERED = {**NO_STORE, **tus.ANSWERED}


def router(access: Access, files: Files, storing: Storing) -> APIRouter:
    """The routes of uploads that go on."""

    async def offset(request: Request, caller: Caller) -> Response:
        return await told(request, await visible_file(files, caller, request.path_params["id"]))

    async def offset_signed(request: Request, grant: UploadGrant) -> Response:
        return await told(request, await of_grant(files, grant, request.path_params["id"]))

    async def append(request: Request, caller: Caller) -> Response:
        return await appended(request, await visible_file(files, caller, request.path_params["id"]))

    async def append_signed(request: Request, grant: UploadGrant) -> Response:
        return await appended(request, await of_grant(files, grant, request.path_params["id"]))

    async def told(request: Request, file: File) -> Response:
        tus.check_version(headers_of(request))
        there(file)
        size = file.size
        if file.state == "uploading" and (size := await storing.received(file)) == file.length:
            await completed(await storing.upload(file))  # whoever stored its last bytes may have come no farther
        length = size if file.state == "complete" else file.length
        known = {} if length is None else {"Upload-Length": str(length)}
        return Response(headers={**_ANSWERED, **known, "Upload-Offset": str(size)})

    async def appended(request: Request, file: File) -> Response:
        headers = headers_of(request)
        tus.check_version(headers)
        if headers.get(b"content-type") != tus.PIECE_TYPE.encode():
            raise ApiProblem("unsupported_media_type", f"The Content-Type of what goes on is {tus.PIECE_TYPE}.")
        at, length = tus.number(headers, "Upload-Offset"), there(file).length
        if file.state == "complete" or length is None:
            raise _elsewhere(file.size)
        if (content_length(headers) or 0) > max(0, length - at):
            raise _too_long(length)
        upload = await storing.upload(file)
        if upload.file.state == "complete":
            raise _elsewhere(upload.received)
        if upload.received != at:
            storing.remember(upload)
            raise _elsewhere(upload.received)
        await _receive(request, storing, upload, length)
        if upload.received == length:
            await completed(upload)
        else:
            storing.remember(upload)
        return Response(status_code=204, headers={**_ANSWERED, "Upload-Offset": str(upload.received)})

    async def completed(upload: Upload) -> None:
        with contextlib.suppress(Conflict):  # somebody who asked how far it is has done it
            if upload.file.state == "uploading":
                await storing.complete(upload)

    routes = APIRouter()
    for operation, endpoint, signed in ((FILE_OFFSET, offset, offset_signed), (APPEND_FILE, append, append_signed)):
        access.add_signed(routes, operation, endpoint, lambda token: files.grant(token, UploadGrant), signed)
    return routes


async def of_grant(files: Files, grant: UploadGrant, id: str) -> File:
    """A file that was begun with the same grant. Raises ApiProblem."""
    file = await files.find(id)
    if file is None or (file.rid, file.lease) != (grant.rid, grant.lease):
        raise no_such_file()
    return file


async def _receive(request: Request, storing: Storing, upload: Upload, length: int) -> None:
    """Store the body after what there is. What came before a cut is kept. Raises ApiProblem, ClientDisconnect."""
    try:
        try:
            async for piece in pieces(request):
                if upload.received + len(piece) > length:
                    raise _too_long(length)
                await storing.write(upload, piece)
        except ClientDisconnect:
            await storing.flush(upload)
            storing.remember(upload)
            raise
        await storing.flush(upload)
    except Conflict:  # what we have is not what there is
        raise _elsewhere(await storing.received(upload.file)) from None


def _elsewhere(received: int) -> ApiProblem:
    detail = "The upload is not there: ask with HEAD how many bytes there are, and go on after them."
    return ApiProblem("offset_mismatch", detail, headers={**tus.ANSWERED, "Upload-Offset": str(received)})


def _too_long(length: int) -> ApiProblem:
    return ApiProblem("payload_too_large", f"These are more bytes than the {length} of Upload-Length.")
