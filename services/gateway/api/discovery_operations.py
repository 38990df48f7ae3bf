"""What clients of tus ask before they upload; `operations` offers it."""

import dataclasses

from services.gateway import tus
from services.gateway.api.file_operations import FILE_PARAMETER, FILES_TAG
from services.gateway.api.operation import ANY_PROBLEMS, Answer, Header, Operation, Parameter

_STRING = {"type": "string"}
_ORIGIN = Parameter(
    "Origin",
    "header",
    "Where a page is from (RFC 6454); its browser says so.",
    {"type": "string", "pattern": "^(null|[a-z]+://[a-z0-9.:-]+)$"},
    "https://example.org",
)
_TUS = Header("Tus-Resumable", "The version of tus.", {"type": "string", "const": tus.VERSION}, tus.VERSION, required=False)
_VERSIONS = Header("Tus-Version", "The versions of tus that are understood, the best one first.", _STRING, tus.VERSION)
_EXTENSIONS = Header("Tus-Extension", "The extensions of tus that there are.", _STRING, tus.EXTENSIONS)
_MAX_SIZE = Header("Tus-Max-Size", "So many bytes may a file have.", {"type": "integer", "minimum": 0}, 4_294_967_296)

DISCOVER_UPLOADS = Operation(
    id="discover_uploads",
    callers="none",
    method="OPTIONS",
    path="/v1/files",
    tag=FILES_TAG,
    summary="What can be uploaded, and how",
    description="As tus 1.0.0 has it. A browser that asks what a page of another origin may send (CORS) is answered as "
    "everywhere; the page may read this answer when any key lists its origin.",
    parameters=(_ORIGIN,),
    answers={204: Answer("This.", headers=(_VERSIONS, _EXTENSIONS, _MAX_SIZE, _TUS))},
    problems={
        **ANY_PROBLEMS,
        "quota_exceeded": "This address has called the gateway too often without a key that is good.",
    },
)
DISCOVER_UPLOAD = dataclasses.replace(
    DISCOVER_UPLOADS,
    id="discover_upload",
    path="/v1/files/{id}",
    summary="The same at the address of an upload",
    description="Whether there is such a file is not told.",
    parameters=(FILE_PARAMETER, _ORIGIN),
)
DISCOVERY_OPERATIONS = (DISCOVER_UPLOADS, DISCOVER_UPLOAD)
