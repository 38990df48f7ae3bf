"""Errors of the client. One root; each class says by itself what went wrong, and its text is one line for people."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class ClientError(Exception):
    """Root of all errors that the client raises on purpose."""


class ConfigError(ClientError):
    """The URL is no address of a gateway, or the key cannot be one: trying again does not help."""


class Unreachable(ClientError):
    """No answer came, however often the gateway was asked."""


class InvalidAnswer(ClientError):
    """Something answered that is not a gateway of WebSocket Spaces, or not one that this version understands."""


class DamagedFile(ClientError):
    """The bytes of a file are not those that its size and SHA-256 tell of: something changed them on their way, or while
    they were sent."""


class Flaw(msgspec.Struct, frozen=True):
    """One thing that is wrong with what was sent: where (a JSON pointer, RFC 6901) and what."""

    pointer: str = ""
    detail: str = ""


class ProblemError(ClientError):
    """The gateway refused, and said why (RFC 9457). `code` is for programs, `detail` for people; `request_id` is what the
    gateway's log has about it. `retryable`: the same call may succeed later."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        request_id: str = "",
        retryable: bool = False,
        errors: Sequence[Flaw] = (),
    ) -> None:
        super().__init__(f"{code}: {detail}" + "".join(f" {flaw.pointer}: {flaw.detail}" for flaw in errors))
        self.status, self.code, self.detail = status, code, detail
        self.request_id, self.retryable, self.errors = request_id, retryable, list(errors)
