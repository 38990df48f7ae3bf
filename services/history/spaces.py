"""The settings of spaces, as far as the log has them."""

from nats.aio.client import Client

from services.contracts import codec, subjects
from services.contracts.accounts import Directory
from services.contracts.directory import entry_of
from services.history.database import Connection
from services.history.statements import sql
from services.history.store import read_position
from services.runtime.jetstream import stream_info


class Spaces:
    """Folds what has become of the spaces, from the log, further with each reading."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self.directory = Directory()
        self._folded = (0, 0)

    async def read(self, connection: Connection) -> bool:
        """Fold what is new; whether that is all that there is. A space's first settings alone, while the directory is being
        recorded anew, may say something that has been taken back since. Raises NatsUnavailable, ApiError."""
        position = await read_position(connection, subjects.DIRECTORY)
        end = (await stream_info(self._nc, subjects.DIRECTORY)).state.last_seq
        for row in await connection.fetch(sql("spaces_since"), *self._folded):
            event = codec.directory.decode(row["data"])
            self.directory.apply(event, *entry_of(event), row["seq"])
            self._folded = row["epoch"], row["seq"]
        return position is not None and position.seq >= end
