"""What the API offers about files; see `operations`."""

import dataclasses
from typing import Any

from services.contracts.files import File
from services.contracts.instants import nanoseconds
from services.gateway import tus
from services.gateway.api import examples
from services.gateway.api.operation import BYTES, KEY_PROBLEMS, Answer, Header, Operation, Parameter, Tag
from services.gateway.api.paging import PAGING, USERS_LIST_PROBLEMS
from services.gateway.api.space_operations import SPACE_PARAMETER
from services.gateway.file_view import FilesObject, file_object

FILES_TAG = Tag("Files", "What is too large for an input or output: uploaded, referred to, downloaded.")

_STRING = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "integer", "minimum": 0}
_FILE = File(
    id=f"{examples.OWNER}.01a2044a439c7146874bdc2036ab0957",
    nuid="n1",
    state="complete",
    kind="upload",
    space="demo",
    user=examples.OWNER,
    key_id="k1",
    created_at=nanoseconds("2026-01-01T10:00:00Z"),
    expires_at=nanoseconds("2026-01-08T10:00:00Z"),
    name="clip.mp4",
    media_type="video/mp4",
    size=48_000_000,
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
)
_LINK = f"/v1/files/{_FILE.id}/content?token=WyJnZXQiLCI3YmE2ODRm.ZXhhbXBsZQ"
EXAMPLE = file_object(_FILE, _LINK)
FILE_PARAMETER = Parameter("id", "path", "The file's id.", {"type": "string", "maxLength": 200}, _FILE.id)
_TOKEN = Parameter("token", "query", "In place of a key: what a signed link bears.", _STRING, "WyJwdXQiLCIwMWEy.ZXhhbXBsZQ")
_VERSION = Parameter("Tus-Resumable", "header", "The version of tus.", {"type": "string", "const": tus.VERSION}, tus.VERSION)
_OFFSET_SENT = Parameter("Upload-Offset", "header", "Where the body begins in the file.", _NUMBER, 8_388_608)
_LENGTH_SENT = Parameter(
    "Upload-Length",
    "header",
    "How many bytes the file will have. With it the body is empty, and the bytes come with PATCH.",
    _NUMBER,
    48_000_000,
)
_METADATA = Parameter(
    "Upload-Metadata",
    "header",
    "With Upload-Length: `filename` and `filetype`, each with its text in base64, separated by commas.",
    _STRING,
    "filename Y2xpcC5tcDQ=,filetype dmlkZW8vbXA0",
)
_NAME = Parameter("name", "query", "What the file is called; stronger than a form's name.", _STRING, "clip.mp4")
_RANGE = Parameter("Range", "header", "The part that is wanted (RFC 9110, 14.2); one.", _STRING, "bytes=0-1023")
_IF_RANGE = Parameter(
    "If-Range", "header", "An ETag: the part only of this file, else all of it.", _STRING, f'"{_FILE.sha256}"'
)
_IF_NONE_MATCH = Parameter("If-None-Match", "header", "An ETag that the client has.", _STRING, f'"{_FILE.sha256}"')

_LOCATION = Header("Location", "Where the file is, and where its upload goes on.", _STRING, EXAMPLE.urls.itself)
_TUS = Header("Tus-Resumable", "The version of tus.", {"type": "string", "const": tus.VERSION}, tus.VERSION, required=False)
_OFFSET = Header("Upload-Offset", "How many bytes have come: go on after them.", _NUMBER, 8_388_608)
_LENGTH = Header("Upload-Length", "How many bytes the file will have.", _NUMBER, 48_000_000, required=False)
_ETAG = Header("ETag", "Names the file's bytes, which never change: their SHA-256.", _STRING, f'"{_FILE.sha256}"')
_DISPOSITION = Header(
    "Content-Disposition",
    "`attachment`, but for images, audio, video and plain text that a browser may show; with the name.",
    _STRING,
    "inline; filename=\"clip.mp4\"; filename*=UTF-8''clip.mp4",
)
_CONTENT_RANGE = Header("Content-Range", "Which part this is.", _STRING, "bytes 0-1023/48000000")

_MAY = "The key is an agent's, or lacks a scope, or is not for this space; or the token is not good, or no longer."
_NO_FILE = {"not_found": "There is no such file, or it is not the caller's.", "data_expired": "The file is no longer kept."}
_LIMITS = {
    "forbidden": _MAY,
    "feature_disabled": "The space has switches, and neither `file` nor the one for this type is on.",
    "payload_too_large": "The file is larger than one may be. Known at once when its length is said, else as it comes.",
    "quota_exceeded": "The key has called too often, or has no room left for files, or the space has none.",
    "input_invalid": "It is said to be audio, video or an image, and its bytes are those of something else.",
}
_TUS_PROBLEMS = {"precondition_failed": "Tus-Resumable names another version."}

CREATE_FILE = Operation(
    id="create_file",
    scopes=("submit",),
    signed=True,
    method="POST",
    path="/v1/files",
    tag=FILES_TAG,
    summary="Upload a file, or begin to",
    description="The bytes are the body, or the part `file` of a form. So that it can be resumed, at any gateway, say "
    "`Upload-Length` instead and send the bytes with PATCH: this is tus 1.0.0, with the extensions `creation` and "
    "`termination`. In inputs the file is the text that is its `urls.self`.",
    parameters=(
        dataclasses.replace(SPACE_PARAMETER, place="query", description="The space that it is for; needed with a key."),
        _NAME,
        _TOKEN,
        _LENGTH_SENT,
        _METADATA,
        _VERSION,
    ),
    raw_body={
        "application/octet-stream": dict(BYTES),
        "multipart/form-data": {"type": "object", "properties": {"file": dict(BYTES)}, "required": ["file"]},
    },
    answers={201: Answer("The file; `done` when all of it is there.", EXAMPLE, (_LOCATION, _TUS))},
    problems={
        **KEY_PROBLEMS,
        **_LIMITS,
        **_TUS_PROBLEMS,
        "invalid_request": "No space is named, or a parameter is not known, or a form or a header is damaged, or no byte of "
        "the body came for a minute.",
        "not_found": "There is no such space.",
        "data_expired": "Somebody has deleted the file while its bytes came.",
    },
)
FILE_OFFSET = Operation(
    id="file_offset",
    scopes=("submit",),
    signed=True,
    method="HEAD",
    path="/v1/files/{id}",
    tag=FILES_TAG,
    summary="How much of an upload has come",
    description="As tus has it.",
    parameters=(FILE_PARAMETER, _TOKEN, _VERSION),
    answers={200: Answer("So much.", headers=(_OFFSET, _LENGTH, _TUS))},
    problems={
        **KEY_PROBLEMS,
        **_NO_FILE,
        **_TUS_PROBLEMS,
        **{code: _LIMITS[code] for code in ("forbidden", "feature_disabled", "input_invalid")},
    },
)
APPEND_FILE = Operation(
    id="append_file",
    scopes=("submit",),
    signed=True,
    method="PATCH",
    path="/v1/files/{id}",
    tag=FILES_TAG,
    summary="Go on with an upload",
    description="The next bytes, as many as the client wants to send at a time. What comes before a cut is kept for an "
    "hour. With the last byte the file is complete.",
    parameters=(FILE_PARAMETER, _TOKEN, _VERSION, _OFFSET_SENT),
    raw_body={tus.PIECE_TYPE: dict(BYTES)},
    answers={204: Answer("They are stored.", headers=(_OFFSET, _TUS))},
    problems={
        **KEY_PROBLEMS,
        **_NO_FILE,
        **_TUS_PROBLEMS,
        **_LIMITS,
        "invalid_request": "Upload-Offset is no number, or no byte of the body came for a minute.",
        "payload_too_large": "These are more bytes than Upload-Length has said.",
        "offset_mismatch": "That is not where the upload is (Upload-Offset says where), or somebody else goes on with it.",
        "unsupported_media_type": f"The Content-Type is not {tus.PIECE_TYPE}.",
    },
)
FILES = Operation(
    id="files",
    scopes=("read",),
    method="GET",
    path="/v1/files",
    tag=FILES_TAG,
    summary="List files, the newest first: yours, or all for an administrator",
    description="Those on their way included. Pages stay in place while files come.",
    parameters=(
        dataclasses.replace(SPACE_PARAMETER, place="query", description="Only those of this space."),
        Parameter("user", "query", "Only those of this user, an id or e-mail address.", _STRING, examples.OWNER),
        *PAGING,
    ),
    answers={200: Answer("A page of files.", FilesObject(results=[EXAMPLE], next=examples.PAGE_CURSOR, previous=None))},
    problems=USERS_LIST_PROBLEMS,
)
FILE = Operation(
    id="file",
    scopes=("read",),
    method="GET",
    path="/v1/files/{id}",
    tag=FILES_TAG,
    summary="Read what is known of a file",
    description="`received` says how far an upload is.",
    parameters=(FILE_PARAMETER,),
    answers={200: Answer("The file.", EXAMPLE)},
    problems={**KEY_PROBLEMS, **_NO_FILE},
)
DELETE_FILE = Operation(
    id="delete_file",
    scopes=("submit",),
    method="DELETE",
    path="/v1/files/{id}",
    tag=FILES_TAG,
    summary="Delete a file that no request needs",
    description="Its bytes are removed. Deleting it again changes nothing. A running upload is ended by it.",
    parameters=(FILE_PARAMETER, _VERSION),
    answers={204: Answer("Deleted.", headers=(_TUS,))},
    problems={
        **KEY_PROBLEMS,
        **_TUS_PROBLEMS,
        "not_found": _NO_FILE["not_found"],
        "file_in_use": "A request that has not ended refers to it: cancel that first.",
    },
)
CONTENT = Operation(
    id="file_content",
    scopes=("read",),
    signed=True,
    method="GET",
    path="/v1/files/{id}/content",
    tag=FILES_TAG,
    summary="Download a file, or a part of it",
    description="What a browser might run is sent as plain bytes, to be saved; all within a sandbox. `urls.content` of a "
    "file is this with a token that is good for an hour. HEAD answers the same without the bytes.",
    parameters=(FILE_PARAMETER, _TOKEN, _RANGE, _IF_RANGE, _IF_NONE_MATCH),
    answers={
        200: Answer("All of it.", headers=(_ETAG, _DISPOSITION), bytes_of="*/*"),
        206: Answer("The part.", headers=(_ETAG, _DISPOSITION, _CONTENT_RANGE), bytes_of="*/*"),
        304: Answer("The client has it.", headers=(_ETAG,)),
    },
    problems={
        **KEY_PROBLEMS,
        **_NO_FILE,
        "forbidden": _MAY,
        "not_done": "It has not been uploaded to its end.",
        "range_not_satisfiable": "The file has no such part.",
    },
)
FILE_OPERATIONS = (CREATE_FILE, FILES, FILE_OFFSET, APPEND_FILE, FILE, DELETE_FILE, CONTENT)
