"""What a command comes to, beside an event. PURE."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Existing:
    """The command was carried out before, or changes nothing: the sequence of the entry's last event."""

    seq: int


class Refusal(Exception):
    """The command cannot be carried out; `code` is one of RpcError's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message
