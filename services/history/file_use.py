"""Which files open requests refer to."""

from services.contracts.file_use import FileUse, GetFileUse
from services.history.database import Pool
from services.history.lists import Lists, check_whole
from services.history.statements import sql
from services.runtime.rpc import Refused


class FileUses:
    """Answers about the use of files."""

    def __init__(self, pool: Pool, lists: Lists) -> None:
        self._pool, self._lists = pool, lists

    async def use(self, query: GetFileUse) -> FileUse:
        """Whether an open request refers to a file. Raises Refused when that is not recorded yet, or requests may be missing
        from the read table: that none is found says nothing then."""
        if not await self._lists.recorded(query.recorded):
            raise Refused("unavailable", "the log has not come that far yet")
        async with self._pool.acquire() as connection:
            await check_whole(connection)
            rows = await connection.fetch(sql("file_uses"), [query.file])
        return FileUse(open=any(row["open"] for row in rows))
