"""What a session asks of the process around it."""

import msgspec

from services.contracts.connections import Refused
from services.gateway.leases import Lease, Outcome

# Close codes of RFC 6455, 7.4.1; the protocol's own are in the frames' module.
CLOSE_NORMAL, CLOSE_NOT_TEXT, CLOSE_VIOLATION = 1000, 1003, 1008


class Append(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Append this event after the lease and say how that was decided. `files`: those of the request's input, by id."""

    event: Outcome
    traceparent: str = ""
    files: tuple[str, ...] = ()


class StoreOutput(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Output of this lease waits to be stored."""

    lease: Lease


class RecordRefused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A frame that was not current was refused: let the request's timeline show it."""

    event: Refused


class Close(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Close the socket after the frames that still wait. The session is over."""

    code: int
    reason: str


Decision = Append | StoreOutput | RecordRefused | Close
