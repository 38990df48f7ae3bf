"""Whether a file is needed: history knows which requests that have not ended refer to it."""

from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.file_use import FileUse, GetFileUse
from services.contracts.files import File
from services.gateway.reading import Reader
from services.runtime import rpc


class FileUses:
    """Asks history."""

    def __init__(self, nc: Client, reader: Reader) -> None:
        self._nc, self._reader = nc, reader

    async def in_use(self, file: File) -> bool:
        """Whether a request that was accepted before this call, and has not ended, refers to a file. Raises
        NatsUnavailable when nobody can tell."""
        if file.state != "complete":
            return False  # nothing can refer to it yet
        recorded = (await self._reader.end_of_stream()).position
        question = GetFileUse(file=file.id, recorded=recorded)
        return (await rpc.call(self._nc, subjects.history_rpc("file_use"), question, FileUse)).open
