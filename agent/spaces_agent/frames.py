"""The wire frames between agent and gateway: protocol `spaces.v1`, JSON text frames over WebSocket.

One module owns the wire so that both ends and the published specification agree by construction; the gateway imports it
from here. All durations are seconds. Every frame about a request carries `(request_id, attempt, lease)`: the lease is the
stream sequence of the `assigned` event, so a frame of an older attempt can always be told from a current one.

Adding a field with a default is compatible; anything else is a new protocol version.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec

PROTOCOL = 1
SUBPROTOCOL = "spaces.v1"
CONNECT_PATH = "/v1/agents/connect"
FILES_PATH = "/v1/files"

HEARTBEAT_S = 10.0
"""An agent sends a heartbeat this often; the gateway says so in `welcome`."""
HEARTBEAT_TIMEOUT_S = 25.0
"""A side that has heard nothing for this long takes the socket for dead."""
STOP_GRACE_S = 10.0
"""How long a handler that is to stop may take, before the process that it has for itself, if it has one, is killed."""
GRACE_S = 20.0
"""How long a lease survives the loss of its socket, from the moment the gateway noticed."""
MAX_FRAME_BYTES = 1024 * 1024
"""The largest frame a gateway accepts; above it the socket is closed with 1009."""
MAX_INLINE_BYTES = 128 * 1024
"""The largest input or output that travels inside a frame; a larger one is a file."""
MAX_VALUE_BYTES = 8 * 1024 * 1024
"""The largest input or output at all, as JSON; what is larger belongs into files of its own."""
MAX_DEPTH = 100
"""How deep an input or an output may be nested: a decoder down the line runs out of stack at some hundreds."""
MAX_LOG_LINE = 16 * 1024
"""The longest line that a handler may log, in characters."""
OUTPUT_INTERVAL_S = 0.1
"""An agent sends at most one `output` frame in this time for each request, on average; what comes meanwhile is gathered."""
OUTPUT_WINDOW = 32
"""So many `output` frames of one request may wait for their acknowledgement."""
OUTPUT_WINDOW_BYTES = 4 * 1024 * 1024
"""So much of what a handler has yielded may wait to be stored, sent or not; then the handler waits."""
MAX_DATA_BYTES = 4 * MAX_INLINE_BYTES
"""The largest `data` of an `output` frame: a value that is yielded travels in one, and lines of log, which are bounded in
characters, may take several bytes for each."""
MAX_IN_FLIGHT = 2048
"""So much work in flight a `hello` may name; each costs the gateway a look into the log."""

_END = r"$(?!\n)"
"""The end of a text. Python's `$` alone also matches before a last line feed; JSON Schema's dialect has no `\\Z`."""

IDENTITY_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}" + _END
"""What an agent may call itself: it becomes part of keys and log lines, so nothing else is accepted."""

FILE_ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}"
FILE_PATTERN = "^" + FILES_PATH + "/" + FILE_ID + _END
"""A reference to a file: where it stands as a string in an input or an output, that file is meant."""

# Close codes. 4000-4499: reconnect; 4500-4599: final; 4600-4699: retry slowly.
CLOSE_GOAWAY = 4000
CLOSE_HEARTBEAT_TIMEOUT = 4001
CLOSE_RESYNC = 4003
CLOSE_BAD_KEY = 4500
CLOSE_UNSUPPORTED = 4501
CLOSE_SUPERSEDED = 4502
CLOSE_NO_SPACE = 4600

Identity = Annotated[str, msgspec.Meta(pattern=IDENTITY_PATTERN)]
RequestId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{34}" + _END)]
AgentState = Literal["loading", "ready", "draining"]
"""While it is loading (a model, say) an agent is connected but takes no work. Draining, it ends when what runs has ended."""
OutputKind = Literal["chunk", "progress", "log"]
Sequence = Annotated[int, msgspec.Meta(ge=1)]
Index = Annotated[int, msgspec.Meta(ge=0)]
Slots = Annotated[int, msgspec.Meta(ge=1, le=1024)]
Duration = Annotated[float, msgspec.Meta(ge=0)]
ShortText = Annotated[str, msgspec.Meta(max_length=256)]
LongText = Annotated[str, msgspec.Meta(max_length=16 * 1024)]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}" + _END)]
FileReference = Annotated[str, msgspec.Meta(pattern=FILE_PATTERN)]
FileId = Annotated[str, msgspec.Meta(pattern="^(" + FILE_ID + ")?" + _END)]


class Frame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """Root of all frames."""


class RequestFrame(Frame, frozen=True, kw_only=True):
    """A frame about one attempt at one request."""

    request_id: RequestId
    attempt: Sequence
    lease: Sequence


# Agent → gateway


class InFlight(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Work that an agent still holds when it (re)connects. `last_index` is that of the last `output` frame it has made."""

    request_id: RequestId
    attempt: Sequence
    lease: Sequence
    state: Literal["running", "result_pending"]
    last_index: Index = 0


class Hello(Frame, frozen=True, kw_only=True, tag="hello"):
    """The first frame of a session. `agent_id` is stable across restarts, `boot_id` is new with each process: a new boot
    id frees at once every lease that it does not list."""

    agent_id: Identity
    boot_id: Identity
    spaces: Annotated[list[ShortText], msgspec.Meta(min_length=1, max_length=64)]
    slots: Slots
    protocol_min: int = PROTOCOL
    protocol_max: int = PROTOCOL
    version: ShortText = ""
    state: AgentState = "ready"
    labels: Annotated[dict[ShortText, ShortText], msgspec.Meta(max_length=32)] = {}
    in_flight: Annotated[list[InFlight], msgspec.Meta(max_length=MAX_IN_FLIGHT)] = []


class Heartbeat(Frame, frozen=True, kw_only=True, tag="heartbeat"):
    """Proof of life; `running` lists the leases whose handler runs now. One is sent at once when `state` changes."""

    running: list[Sequence] = []
    state: AgentState = "ready"


class Accept(RequestFrame, frozen=True, kw_only=True, tag="accept"):
    """The handler of this assignment has been started."""


class Reject(RequestFrame, frozen=True, kw_only=True, tag="reject"):
    """The agent does not take this assignment; its budget of attempts is not touched."""

    reason: Literal["full", "draining", "unhealthy", "unsupported"]
    retry_after: Duration = 0.0


class Output(RequestFrame, frozen=True, kw_only=True, tag="output"):
    """Something that a handler has to say before its result. `index` numbers the frames of one attempt from 1; a frame that
    was numbered never changes, so that offering it again is harmless.

    `data` by kind. `chunk`: a string is text that continues the text before it, a list holds values one after the other, and
    neither begins nor ends with a text.
    `progress`: `{"fraction": 0 to 1, "message": text}`, which replaces the one before. `log`: a list of lines."""

    index: Sequence
    kind: OutputKind
    data: msgspec.Raw


class HandlerError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a handler failed, in words that its user may read."""

    code: ShortText
    message: LongText
    retryable: bool = False


class Result(RequestFrame, frozen=True, kw_only=True, tag="result"):
    """The outcome of a handler. Exactly one of `output` (any JSON value) and `error` counts, by `status`; when the output is
    over the inline limit, `output_file` is the id of the JSON file that holds it, and `output` is null.

    `sha256` is the hex digest of the output's bytes, in the frame or in its file (of the error's JSON for a failure): it
    makes a repeated offer of the same outcome recognisable. `last_index` is that of the last `output` frame: the outcome is
    recorded when all of these are stored. `started_s` is the time from receipt of the assignment to the start of the
    handler, `run_s` the handler's own time, `first_output_s` the part of it before the first chunk (0: there was none)."""

    status: Literal["succeeded", "failed"]
    sha256: Digest
    output: msgspec.Raw = msgspec.Raw(b"null")
    output_file: FileId = ""
    error: HandlerError | None = None
    last_index: Index = 0
    started_s: Duration = 0.0
    run_s: Duration = 0.0
    first_output_s: Duration = 0.0
    log_tail: LongText = ""


class Stopped(RequestFrame, frozen=True, kw_only=True, tag="stopped"):
    """Answers `cancel`: only now is the slot free."""

    outcome: Literal["stopped", "never_started", "already_finished"]


class Goodbye(Frame, frozen=True, kw_only=True, tag="goodbye"):
    """The agent ends on purpose: whatever it still held is free at once."""

    reason: ShortText = ""


# Gateway → agent


class SpaceVerdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether a session may serve one of the spaces it asked for."""

    space: str
    accepted: bool
    reason: Literal["", "unknown_space", "forbidden", "disabled", "occupied"] = ""


class LeaseVerdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What becomes of one piece of work in flight: go on (send the output from `resend_from` on, what came before is stored;
    and the result if there is one), stop and forget it, or forget it because its outcome is already recorded."""

    request_id: RequestId
    lease: Sequence
    verdict: Literal["continue", "stop", "already_done"]
    resend_from: Sequence = 1


class Welcome(Frame, frozen=True, kw_only=True, tag="welcome"):
    """The gateway's answer to `hello`; from here on assignments may come."""

    session_id: str
    gateway_id: str
    spaces: list[SpaceVerdict]
    protocol: int = PROTOCOL
    heartbeat_s: float = HEARTBEAT_S
    grace_s: float = GRACE_S
    max_frame_bytes: int = MAX_FRAME_BYTES
    max_inline_bytes: int = MAX_INLINE_BYTES
    window: int = OUTPUT_WINDOW
    verdicts: list[LeaseVerdict] = []


class HeartbeatAck(Frame, frozen=True, kw_only=True, tag="heartbeat_ack"):
    """`routable` is false only when the gateway knows that no work can reach this session: reconnect elsewhere."""

    routable: bool = True


class FileAccess(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that an attempt may read. `url` is signed: no key goes with it. It begins with `/v1/files` and is relative to
    the address of the gateway, at any of which it holds. `name` is what somebody called the file, and no path."""

    ref: FileReference
    url: str
    size: Index
    sha256: Digest
    name: str = ""
    media_type: str = "application/octet-stream"


class Assign(RequestFrame, frozen=True, kw_only=True, tag="assign"):
    """One attempt at one request. The deadline is relative and its clock starts with the handler.

    `files` are those that the input refers to. With an `input_file` the input is what this JSON file holds, and `input` is
    null. At `upload_url`, signed and relative like that of a file, the attempt may upload files (tus 1.0.0: creation, then
    PATCH); empty: this gateway takes none."""

    space: str
    deadline_s: float
    input: msgspec.Raw
    user: str = ""
    traceparent: str = ""
    tracestate: str = ""
    metadata: dict[str, Any] = {}
    files: tuple[FileAccess, ...] = ()
    input_file: FileAccess | None = None
    upload_url: str = ""


class OutputAck(RequestFrame, frozen=True, kw_only=True, tag="output_ack"):
    """All `output` frames up to this index are stored: the agent may forget them."""

    index: Sequence


class ResultAck(RequestFrame, frozen=True, kw_only=True, tag="result_ack"):
    """The outcome is decided (this result, the same one before, or another): the agent may forget it."""

    outcome: Literal["accepted", "duplicate", "superseded"]


class Cancel(RequestFrame, frozen=True, kw_only=True, tag="cancel"):
    """Stop this attempt; answer with `stopped` when it has ended."""

    reason: str
    grace_s: float = STOP_GRACE_S


class Drain(Frame, frozen=True, kw_only=True, tag="drain"):
    """An operator wants this agent to end: take no more work, finish what runs, then leave."""

    reason: ShortText = ""


class Goaway(Frame, frozen=True, kw_only=True, tag="goaway"):
    """The gateway is about to close: open a second session, elsewhere if possible, and only then leave this one."""

    reason: str
    reconnect_after_s: float = 0.0


class Error(Frame, frozen=True, kw_only=True, tag="error"):
    """A frame was refused; when `fatal` the socket closes next."""

    code: str
    message: str
    request_id: str = ""
    fatal: bool = False


AgentFrame = Hello | Heartbeat | Accept | Reject | Output | Result | Stopped | Goodbye
GatewayFrame = Welcome | HeartbeatAck | Assign | OutputAck | ResultAck | Cancel | Drain | Goaway | Error

_STRUCTURE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{\[]|[}\]]', re.DOTALL)
_encoder = msgspec.json.Encoder()
_agent_decoder: msgspec.json.Decoder[AgentFrame] = msgspec.json.Decoder(AgentFrame)
_gateway_decoder: msgspec.json.Decoder[GatewayFrame] = msgspec.json.Decoder(GatewayFrame)


class BadFrame(ValueError):
    """The peer sent something that is no frame of this protocol."""


def encode(frame: Frame) -> bytes:
    """The frame as JSON text in UTF-8."""
    return _encoder.encode(frame)


def decode_agent_frame(data: bytes | str) -> AgentFrame:
    """A frame that an agent sent. Raises BadFrame."""
    try:
        return _agent_decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadFrame(str(error)) from error


def decode_gateway_frame(data: bytes | str) -> GatewayFrame:
    """A frame that a gateway sent. Raises BadFrame."""
    try:
        return _gateway_decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadFrame(str(error)) from error


def too_deep(value: bytes) -> bool:
    """Whether JSON is nested more than MAX_DEPTH levels deep."""
    if value.count(b"{") + value.count(b"[") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _STRUCTURE.finditer(value):
        first = value[match.start()]
        if first in b"{[":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif first in b"}]":
            depth -= 1
    return False
