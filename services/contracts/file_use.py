"""What gateways ask history about files."""

from services.contracts.rpc import Message, Position


class GetFileUse(Message, frozen=True, kw_only=True):
    """Does a request that has not ended refer to this file? Answered from what is recorded, as soon as that is all that was
    stored up to `recorded`."""

    file: str
    recorded: Position


class FileUse(Message, frozen=True, kw_only=True):
    """The answer to GetFileUse."""

    open: bool
