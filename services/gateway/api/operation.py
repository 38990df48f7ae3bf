"""What is said of one operation of the API: router, OpenAPI document and the page of documentation all read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from services.contracts.directory import Role, Scope
from services.contracts.problems import PROBLEMS

BYTES: Mapping[str, str] = MappingProxyType({"type": "string", "format": "binary"})
"""The schema of any bytes, as OpenAPI's tools know them."""
STREAMED = 200
"""The status of a stream of events."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A group of operations."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter in the path, in the query or in a header, with its JSON Schema."""

    name: str
    place: Literal["path", "query", "header"]
    description: str
    schema: dict[str, Any]
    example: str | int


@dataclass(frozen=True, slots=True)
class Header:
    """A header of an answer. `required`: every such answer has it."""

    name: str
    description: str
    schema: dict[str, Any]
    example: str | int
    required: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no problem. The type of `example` describes its body; None: it has none, or is a stream, or bytes
    of this media type."""

    meaning: str
    example: msgspec.Struct | None = None
    headers: tuple[Header, ...] = ()
    bytes_of: str = ""


REQUEST_ID = Header(
    "X-Request-Id",
    "The id of the request that this is about, else one for this HTTP request; it is in the gateway's log.",
    {"type": "string"},
    "01a2044a439c7146874bdc2036ab095706",
)
RETRY_AFTER = Header("Retry-After", "Seconds after which it is worth asking again.", {"type": "integer", "minimum": 0}, 1)
CHALLENGE = Header(
    "WWW-Authenticate", "How to show a key (RFC 6750).", {"type": "string"}, 'Bearer realm="websocket-spaces"'
)
RATE_LIMIT = Header(
    "RateLimit",
    "Where this key stands at this gateway (draft-ietf-httpapi-ratelimit-headers): `r` calls are left at once, after `t` "
    "seconds all of them.",
    {"type": "string", "pattern": '^"key";r=[0-9]+;t=[0-9]+$'},
    '"key";r=59994;t=1',
    required=False,
)
RATE_POLICY = Header(
    "RateLimit-Policy",
    "How often a key may call a gateway: `q` times in `w` seconds. Absent where there is no limit.",
    {"type": "string", "pattern": '^"key";q=[0-9]+;w=[0-9]+$'},
    '"key";q=60000;w=60',
    required=False,
)
ALWAYS_SENT = (REQUEST_ID,)
"""Headers of every answer."""
SENT_TO_KEYS = (RATE_LIMIT, RATE_POLICY)
"""Headers of every answer to a key that is good."""
SENT_WITH: Mapping[int, tuple[Header, ...]] = MappingProxyType({401: (CHALLENGE,), 429: (RETRY_AFTER,), 503: (RETRY_AFTER,)})
"""Headers of problems, by status."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `answers` by status, all below 400; `problems` says when each code of `contracts.problems` is the
    answer. `body` is an example, and its type describes it. `streamed`: a 200 with a stream of events. The caller's key
    needs all of `scopes`, and its user `role`; `whole`: the key may not be limited to spaces. `callers`: who shows a key or
    is signed in (any), only the latter (session), or everybody (none). `signed`: in place of a key, a link may bear a token.
    `raw_body`: schemas of a body that is no JSON, by media type."""

    id: str
    method: str
    path: str
    tag: Tag
    summary: str
    description: str
    answers: Mapping[int, Answer]
    problems: Mapping[str, str]
    parameters: tuple[Parameter, ...] = ()
    body: msgspec.Struct | None = None
    streamed: Answer | None = None
    scopes: tuple[Scope, ...] = ()
    role: Role = "member"
    whole: bool = False
    callers: Literal["any", "session", "none"] = "any"
    signed: bool = False
    raw_body: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def takes_key(self) -> bool:
        """Whether a key, or a session, is needed."""
        return self.callers != "none"

    def needs(self) -> str:
        """What a caller needs, in words."""
        if self.callers == "none":
            return "Needs no key."
        if self.callers == "session":
            return "Needs a sign-in session."
        scopes = " and ".join(f"`{scope}`" for scope in self.scopes)
        key = "an API key" + (" for all spaces" if self.whole else "")
        scoped = f"{key} with the scope{'s' if len(self.scopes) > 1 else ''} {scopes}" if scopes else key
        link = ", or a link with a token" if self.signed else ""
        return f"Needs a sign-in session or {scoped}{', of an administrator' if self.role == 'admin' else ''}{link}."

    def statuses(self) -> list[int]:
        """All that it answers."""
        streamed = [STREAMED] if self.streamed else []
        return sorted({*self.answers, *streamed, *(PROBLEMS[code].status for code in self.problems)})

    def problems_of(self, status: int) -> dict[str, str]:
        """The codes of one status, with when they are the answer."""
        return {code: when for code, when in self.problems.items() if PROBLEMS[code].status == status}


ANY_PROBLEMS: Mapping[str, str] = MappingProxyType(
    {
        "invalid_request": "It is not HTTP, or its head is larger than 64 KiB.",
        "internal": "Something went wrong on our side; `request_id` finds it in the gateway's log.",
        "unavailable": "Not possible right now. Nothing is wrong with the request: try again.",
    }
)
"""What every operation may answer."""
KEY_PROBLEMS: Mapping[str, str] = MappingProxyType(
    {
        **ANY_PROBLEMS,
        "unauthenticated": "There is no key, or it is not known, or it has been revoked, or has expired; or the session has "
        "ended.",
        "forbidden": "The key is an agent's, or lacks a scope.",
        "quota_exceeded": "The key has called this gateway too often, or its address has without a key that is good.",
    }
)
"""What every operation that takes a key may answer."""
