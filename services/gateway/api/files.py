"""Files: look at them, list and delete them."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.contracts.accounts import may_submit
from services.contracts.files import File
from services.gateway import tus
from services.gateway.api.access import Access
from services.gateway.api.bodies import headers_of
from services.gateway.api.file_operations import DELETE_FILE, FILE, FILES
from services.gateway.api.responses import NO_STORE, file_gone, json_response
from services.gateway.auth import Caller
from services.gateway.file_index import place
from services.gateway.file_records import FileRecords
from services.gateway.file_view import FilesObject, file_object
from services.gateway.files import Files
from services.gateway.lists import Query, around
from services.gateway.problems import ApiProblem
from services.gateway.storing import Storing


def router(access: Access, files: Files, records: FileRecords, storing: Storing) -> APIRouter:
    """The routes of files, but for those of their bytes."""

    async def one(request: Request, caller: Caller) -> Response:
        file = there(await visible_file(files, caller, request.path_params["id"]))
        received = await storing.received(file) if file.state == "uploading" else None
        return json_response(file_object(file, files.download_url(file.id), received))

    async def listed(request: Request, caller: Caller) -> Response:
        query = Query(request.query_params.multi_items(), ("space", "user"))
        reach, paging = access.reach(caller, query.one("space"), query.one("user")), query.paging()
        page, more = records.index.page(reach.user, paging, lambda file: reach.spaces is None or file.space in reach.spaces)
        older, newer = around(paging, list(map(place, page)), more)
        shown = [file_object(file, files.download_url(file.id)) for file in page]
        return json_response(FilesObject(results=shown, next=older, previous=newer))

    async def delete(request: Request, caller: Caller) -> Response:
        tus.check_version(headers_of(request))
        await files.delete(await visible_file(files, caller, request.path_params["id"]))
        return Response(status_code=204, headers={**NO_STORE, **tus.ANSWERED})

    routes = APIRouter()
    for operation, endpoint in ((FILES, listed), (FILE, one), (DELETE_FILE, delete)):
        access.add(routes, operation, endpoint)
    return routes


async def visible_file(files: Files, caller: Caller, id: str) -> File:
    """A file, if the caller may see it, also when it is deleted; whether another's exists is not told. Raises ApiProblem,
    NatsUnavailable."""
    file = await files.find(id)
    own = file is not None and (file.user == caller.user.user or caller.user.role == "admin")
    if file is None or not own or not may_submit(caller.key, file.space):
        raise no_such_file()
    return file


def there(file: File) -> File:
    """The file, unless it is deleted. Raises ApiProblem."""
    if file.state == "deleted":
        raise file_gone()
    return file


def no_such_file() -> ApiProblem:
    """The answer to who asks for a file that never was, or is not theirs."""
    return ApiProblem("not_found", "There is no such file.")
