"""PURE: all files, as far as their records are known to the collector."""

import bisect

import msgspec

from services.contracts.files import File


class FileTable:
    """The newest record of each file that is not deleted, without the places of its chunks."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}
        self._ids: list[str] = []
        self._nuids: set[str] = set()
        self.left: dict[str, str] = {}
        """Of deleted files whose bytes may be there still: their ids, by the name of these bytes."""
        self.bytes = 0
        """What the files take, as far as they are complete."""

    def __len__(self) -> int:
        return len(self._files)

    def fold(self, file: File) -> None:
        """The next record has been stored."""
        self._forget(file.id)
        if file.state == "deleted":
            self.left[file.nuid] = file.id
        else:
            self._keep(msgspec.structs.replace(file, index=()))

    def leave_alone(self, nuid: str) -> None:
        """The bytes of this name are of an object that is no file of ours, or of a later version of us."""
        self._nuids.add(nuid)

    def clear(self) -> None:
        """Nothing is known any more."""
        self._files.clear()
        self._ids.clear()
        self._nuids.clear()
        self.left.clear()
        self.bytes = 0

    def after(self, id: str, count: int) -> list[File]:
        """The next files behind an id, in their order."""
        at = bisect.bisect_right(self._ids, id)
        return [self._files[each] for each in self._ids[at : at + count]]

    def knows(self, nuid: str) -> bool:
        """Whether some record has the bytes of this name."""
        return nuid in self._nuids or nuid in self.left

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
