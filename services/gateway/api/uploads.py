"""Uploads: in one go, as the body or in a form; or the beginning of one that can be resumed."""

import dataclasses

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.contracts.files import File, reference
from services.gateway import tus
from services.gateway.api.access import Access
from services.gateway.api.bodies import OVERHEAD, content_length, form_file, headers_of, pieces
from services.gateway.api.file_operations import CREATE_FILE
from services.gateway.api.responses import json_response
from services.gateway.auth import Caller, submittable
from services.gateway.downloads import safe_name
from services.gateway.file_view import file_object
from services.gateway.files import Files
from services.gateway.lists import Query
from services.gateway.media_types import normal
from services.gateway.problems import ApiProblem
from services.gateway.signing import UploadGrant
from services.gateway.storing import NewFile, Storing
from services.runtime.directory import DirectoryFollower

_FORM = b"multipart/form-data"
Headers = dict[bytes, bytes]


def router(access: Access, follower: DirectoryFollower, files: Files, storing: Storing) -> APIRouter:
    """The routes that make files."""

    async def create(request: Request, caller: Caller) -> Response:
        query = Query(request.query_params.multi_items(), ("space", "name"), paging=False)
        if (slug := query.one("space")) is None:
            raise ApiProblem("invalid_request", "Say which space the file is for: `?space=…`.")
        space = submittable(follower, caller, slug)
        new = NewFile(kind="upload", space=space.space, user=caller.user.user, key_id=caller.key.key_id)
        return await stored(request, new, query.one("name") or "", "")

    async def create_signed(request: Request, grant: UploadGrant) -> Response:
        query = Query(request.query_params.multi_items(), ("token", "name"), paging=False)
        new = NewFile(
            kind="output", space=grant.space, user=grant.user, key_id=grant.key_id, rid=grant.rid, lease=grant.lease
        )
        return await stored(request, new, query.one("name") or "", f"?token={query.one('token')}")

    async def stored(request: Request, new: NewFile, name: str, token: str) -> Response:
        headers = headers_of(request)
        if b"upload-length" in headers:
            return made(await begun(headers, new, name), token, tus.ANSWERED)
        kind, length = headers.get(b"content-type", b""), content_length(headers)
        if not kind.lower().startswith(_FORM):
            return made(await files.store(_called(new, name, kind.decode("latin-1"), length), pieces(request)), token)
        # The form around the file takes some bytes as well, nobody knows how many.
        storing.admit(dataclasses.replace(new, length=None if length is None else max(0, length - OVERHEAD)))
        part = await form_file(kind, pieces(request))
        called = _called(new, name or part.filename or "", part.media_type, None)
        return made(await files.store(called, part.data), token)

    async def begun(headers: Headers, new: NewFile, name: str) -> File:
        tus.check_version(headers)
        said, length = tus.metadata(headers), tus.number(headers, "Upload-Length")
        file = await storing.begin(_called(new, name or said.get("filename", ""), said.get("filetype", ""), length))
        return file if length else await storing.complete(await storing.upload(file))

    def made(file: File, token: str, more: dict[str, str] | None = None) -> Response:
        shown = file_object(file, files.download_url(file.id), 0)
        return json_response(shown, 201, {"Location": reference(file.id) + token, **(more or {})})

    routes = APIRouter()
    access.add_signed(routes, CREATE_FILE, create, lambda token: files.grant(token, UploadGrant), create_signed)
    return routes


def _called(new: NewFile, name: str, media_type: str, length: int | None) -> NewFile:
    return dataclasses.replace(new, name=safe_name(name), media_type=normal(media_type), length=length)
