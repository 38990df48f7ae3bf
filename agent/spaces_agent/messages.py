"""What the two processes of an agent tell each other: the one with the handler, and the link, which owns the socket."""

from __future__ import annotations

from typing import Any

import msgspec

from spaces_agent import frames
from spaces_agent.profile import Profile


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=True):
    """Root of all messages."""


# Handler process → link


class Setup(Message, frozen=True, kw_only=True):
    """The first message. The key comes this way because arguments and environment are visible to other processes.

    `running` and `pending` (encoded result frames) are what an earlier link of the same agent has left, `outputs` the
    encoded output frames of both that are not stored yet, in order."""

    urls: list[str]
    key: str
    profile: Profile
    spool_directory: str
    parent_pid: int
    running: list[frames.InFlight] = []
    pending: list[bytes] = []
    outputs: list[bytes] = []
    loading: bool = False


class Started(Message, frozen=True, kw_only=True):
    """The handler of this lease has begun."""

    lease: int


class Produced(Message, frozen=True, kw_only=True):
    """A handler has something to say: an encoded `output` frame."""

    frame: bytes


class Finished(Message, frozen=True, kw_only=True):
    """A handler has an outcome: an encoded `result` frame."""

    frame: bytes


class Stopped(Message, frozen=True, kw_only=True):
    """The handler of this lease has ended without an outcome."""

    lease: int


class Loaded(Message, frozen=True, kw_only=True):
    """What the handler needs is there: work may come."""


class Drain(Message, frozen=True, kw_only=True):
    """Take no more work, and say so."""


class Leave(Message, frozen=True, kw_only=True):
    """Say goodbye and end."""

    reason: str


# Link → handler process


class Connected(Message, frozen=True, kw_only=True):
    """A gateway has welcomed the agent."""

    url: str
    gateway_id: str
    spaces: list[frames.SpaceVerdict]
    max_inline_bytes: int
    window: int


class Disconnected(Message, frozen=True, kw_only=True):
    """The connection has ended or could not be made; the link connects again in `retry_in_s`."""

    url: str
    reason: str
    retry_in_s: float


class Start(Message, frozen=True, kw_only=True):
    """Run the handler: an encoded `assign` frame, received at this time of the machine's monotonic clock."""

    frame: bytes
    received_at: float


class Stop(Message, frozen=True, kw_only=True):
    """Stop the handler of this lease. After `grace_s` one that runs in a process of its own is killed."""

    lease: int
    grace_s: float = frames.STOP_GRACE_S


class Stored(Message, frozen=True, kw_only=True):
    """The output of this lease up to this index is stored: more may come."""

    lease: int
    index: int


class Forget(Message, frozen=True, kw_only=True):
    """This lease has ended: its result need not be kept."""

    lease: int


class EndAgent(Message, frozen=True, kw_only=True):
    """An operator wants this agent to end as on SIGTERM: drain, then leave."""

    reason: str


class Notice(Message, frozen=True, kw_only=True):
    """Something that the agent's owner should read in the log."""

    text: str


class Ended(Message, frozen=True, kw_only=True):
    """The gateway closed for good; the link ends."""

    code: int
    reason: str


ToLink = Setup | Started | Produced | Finished | Stopped | Loaded | Drain | Leave
FromLink = Connected | Disconnected | Start | Stop | Stored | Forget | EndAgent | Notice | Ended

_encoder = msgspec.msgpack.Encoder()


def encode(message: Message) -> bytes:
    """The message in MessagePack."""
    return _encoder.encode(message)


def decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    """A decoder for one of the two directions."""
    return msgspec.msgpack.Decoder(kind)
