"""Why connections of agents end: the reasons that this gateway gives, and what a recorded one means. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from services.gateway.decisions import CLOSE_NOT_TEXT, CLOSE_VIOLATION
from spaces_agent import frames

Cause = Literal[
    "goodbye",
    "lost",
    "silent",
    "not_reading",
    "gateway_stopped",
    "gateway_lost",
    "moved",
    "replaced",
    "disconnected",
    "bad_key",
    "shut_out",
    "protocol",
    "not_joined",
    "given_up",
]
"""`goodbye`: the agent ended on purpose, or was drained; `lost`: the socket was closed without a word, as when a process is
killed; `silent`: nothing was heard of it; `not_reading`: it did not read; `gateway_stopped`, `gateway_lost`: its gateway was
stopped, or has died; `moved`: it has made a newer connection; `replaced`: another process has taken its name;
`disconnected`: by `POST /v1/agents/{owner}/{name}/disconnect`; `bad_key`: its key is worth nothing any more; `shut_out`: a
space has become private, and its user does not manage it; `protocol`: it broke the protocol; `not_joined`: it never
joined; `given_up`: the platform lost its track."""

GOODBYE = "goodbye"
STOPPING = "the gateway is stopping"
DISCONNECTED = "disconnected over the API"
NEWER = "the agent has a newer connection"
OTHER_PROCESS = "another process has the same identity"
SHUT_OUT = "its user does not manage a space that is private"
WITHDRAWN = "the claim on the agent's identity was withdrawn"
NEVER_JOINED = "never joined"
CLOSE_TOO_LARGE = 1009
CLOSE_SLOW_CONSUMER = 4002

_BY_REASON: Mapping[str, Cause] = MappingProxyType(
    {
        GOODBYE: "goodbye",
        STOPPING: "gateway_stopped",
        DISCONNECTED: "disconnected",
        NEWER: "moved",
        OTHER_PROCESS: "replaced",
        SHUT_OUT: "shut_out",
        WITHDRAWN: "given_up",
        NEVER_JOINED: "not_joined",
        # The registry's, where no gateway has told of the end.
        "gateway_lost": "gateway_lost",
        "not_reported": "given_up",
    }
)
_BY_CODE: Mapping[int, Cause] = MappingProxyType(
    {
        frames.CLOSE_HEARTBEAT_TIMEOUT: "silent",
        CLOSE_SLOW_CONSUMER: "not_reading",
        frames.CLOSE_BAD_KEY: "bad_key",
        frames.CLOSE_SUPERSEDED: "replaced",
        **dict.fromkeys((CLOSE_NOT_TEXT, CLOSE_VIOLATION, CLOSE_TOO_LARGE), "protocol"),
        **dict.fromkeys((frames.CLOSE_RESYNC, frames.CLOSE_UNSUPPORTED), "protocol"),
        frames.CLOSE_GOAWAY: "given_up",
    }
)


def cause(reason: str, code: int) -> Cause:
    """What the recorded reason and WebSocket close code of a connection's end mean."""
    return _BY_REASON.get(reason) or _BY_CODE.get(code, "lost")
