"""PURE: all files, as far as their records are known to the collector."""

import bisect
from collections.abc import Iterable

import msgspec

from services.contracts.files import File


class FileTable:
    """The newest record of each file that is not deleted, without the places of its chunks; and the names of the bytes of
    those that are, as long as nobody has seen to it that they are gone."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}
        self._ids: list[str] = []
        self._nuids: set[str] = set()
        self.left: dict[str, str] = {}
        """Of deleted files whose bytes may still be there: their ids, by the name of these bytes."""
        self.bytes = 0
        """What those take that are not deleted, as far as they are complete."""

    def __len__(self) -> int:
        return len(self._files)

    def fold(self, records: Iterable[File]) -> None:
        """Records have been stored, in their order."""
        for file in records:
            self._forget(file.id)
            if file.state == "deleted":
                self.left[file.nuid] = file.id
            else:
                self._keep(msgspec.structs.replace(file, index=()))

    def clear(self) -> None:
        """Nothing is known any more."""
        self._files.clear()
        self._ids.clear()
        self._nuids.clear()
        self.left.clear()
        self.bytes = 0

    def after(self, id: str, count: int) -> list[File]:
        """The next files behind one, by id."""
        at = bisect.bisect_right(self._ids, id)
        return [self._files[each] for each in self._ids[at : at + count]]

    def has_bytes(self, nuid: str) -> bool:
        """Whether bytes of this name belong to a file that is not deleted."""
        return nuid in self._nuids

    def _keep(self, file: File) -> None:
        self._files[file.id] = file
        self._nuids.add(file.nuid)
        bisect.insort(self._ids, file.id)
        self.bytes += file.size

    def _forget(self, id: str) -> None:
        before = self._files.pop(id, None)
        if before is not None:
            self._nuids.discard(before.nuid)
            del self._ids[bisect.bisect_left(self._ids, id)]
            self.bytes -= before.size
