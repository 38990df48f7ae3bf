"""Problems as the HTTP API shows them (RFC 9457). Pure: the table of codes is in `services.contracts.problems`."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from services.contracts.problems import PROBLEMS

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:websocket-spaces:problem:"


class Flaw(msgspec.Struct, frozen=True):
    """One thing that is wrong with a body: where (a JSON pointer, RFC 6901) and what."""

    pointer: str
    detail: str


class ProblemObject(msgspec.Struct, frozen=True, kw_only=True, rename={"problem_type": "type"}):
    """The body of an error answer, and the `error` of a request that failed.

    `status` is absent in a request's `error`: the answer that carries it is a 200. `request_id` is the id of the request
    that failed, or else of this HTTP request, as in the header X-Request-Id and in the service's log."""

    problem_type: str
    title: str
    status: int | UnsetType = UNSET
    code: str
    detail: str
    request_id: str | UnsetType = UNSET
    retryable: bool | UnsetType = UNSET
    errors: list[Flaw] | UnsetType = UNSET


class ApiProblem(Exception):
    """This HTTP request is answered with a problem; `code` is one of PROBLEMS with an HTTP status of its own."""

    def __init__(self, code: str, detail: str, flaws: Sequence[Flaw] = (), headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.code, self.detail, self.flaws = code, detail, list(flaws)
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """The HTTP status."""
        return PROBLEMS[self.code].status

    def body(self, request_id: str) -> ProblemObject:
        """What the client reads."""
        kind = PROBLEMS[self.code]
        return ProblemObject(
            problem_type=_TYPE + self.code,
            title=kind.title,
            status=kind.status,
            code=self.code,
            detail=self.detail,
            request_id=request_id,
            retryable=kind.retryable,
            errors=self.flaws or UNSET,
        )


def unauthenticated(detail: str) -> ApiProblem:
    """The answer to who shows no valid key, and is not signed in."""
    return ApiProblem("unauthenticated", detail, headers={"WWW-Authenticate": 'Bearer realm="websocket-spaces"'})


def request_error(code: str, detail: str, retryable: bool) -> ProblemObject:
    """The `error` of a request that ended without an output; handlers may bring codes that are not in our table."""
    title = PROBLEMS[code].title if code in PROBLEMS else code
    return ProblemObject(problem_type=_TYPE + code, title=title, code=code, detail=detail, retryable=retryable)
