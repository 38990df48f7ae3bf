"""All files, as far as their records are known at this gateway: for look-ups, lists and limits."""

import bisect
from collections import Counter, defaultdict
from collections.abc import Callable

import msgspec

from services.contracts.files import File
from services.contracts.lists import Place
from services.gateway.lists import Paging

Key = tuple[int, str]


class FileIndex:
    """The newest record of each file that is not deleted, without the places of its chunks."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}
        self._gone: dict[str, int] = {}
        """Files that we have deleted ourselves, of which the stream has not told us yet."""
        self._told = 0
        self._by_user: defaultdict[str, list[Key]] = defaultdict(list)
        self._bytes_of_key: Counter[tuple[str, str]] = Counter()
        self._bytes_of_space: Counter[str] = Counter()
        self._arrived: dict[str, int] = {}
        """The bytes that have come here of uploads whose length nobody knew."""

    def get(self, id: str) -> File | None:
        """A file that is not deleted; None when none is known."""
        return self._files.get(id)

    def fold(self, file: File, *, followed: bool = False) -> None:
        """A record has been stored. `followed`: the stream says so; records of ours are folded before that."""
        if followed:
            self._told = max(self._told, file.revision)
        elif file.revision <= self._told:
            return  # the stream has told of it, and perhaps of what came after it
        before = self._files.get(file.id)
        if followed and file.revision >= self._gone.get(file.id, file.revision + 1):
            del self._gone[file.id]
        if file.id in self._gone or (before is not None and before.revision >= file.revision):
            return
        if before is not None:
            self._forget(before)
        if file.state != "uploading":
            self._arrived.pop(file.id, None)
        if file.state != "deleted":
            self._keep(msgspec.structs.replace(file, index=()))
        elif not followed:
            self._gone[file.id] = file.revision

    def arrived(self, id: str, size: int) -> None:
        """So many bytes of an upload of unknown length have come at this gateway; its record tells when it is complete."""
        file = self._files.get(id)
        if file is not None and file.state == "uploading":
            self._count(file, -1)
            self._arrived[id] = size
            self._count(file, 1)

    def bytes_of_key(self, user: str, key_id: str) -> int:
        """What the files take that came in with a key, those on their way included: by their length, or, where nobody
        knows it, as far as they have come at this gateway."""
        return self._bytes_of_key[user, key_id]

    def bytes_of_space(self, space: str) -> int:
        """What the files of a space take."""
        return self._bytes_of_space[space]

    def page(self, user: str, paging: Paging, fits: Callable[[File], bool]) -> tuple[list[File], bool]:
        """A page of a user's files (empty: of everybody's) that fit, the newest first, and whether there are more in its
        direction."""
        keys, found = self._by_user[user], []
        beside, older = paging.beside, paging.direction == "older"
        at = len(keys) if beside is None else (bisect.bisect_left if older else bisect.bisect_right)(keys, _key(beside))
        for key in reversed(keys[:at]) if older else keys[at:]:
            file = self._files[key[1]]
            if fits(file):
                found.append(file)
            if len(found) > paging.limit:
                break
        page = found[: paging.limit]
        return (page if older else page[::-1]), len(found) > paging.limit

    def _keep(self, file: File) -> None:
        self._files[file.id] = file
        for user in (file.user, ""):
            bisect.insort(self._by_user[user], (file.created_at, file.id))
        self._count(file, 1)

    def _forget(self, file: File) -> None:
        del self._files[file.id]
        for user in (file.user, ""):
            keys = self._by_user[user]
            del keys[bisect.bisect_left(keys, (file.created_at, file.id))]
        self._count(file, -1)

    def _count(self, file: File, sign: int) -> None:
        size = file.size if file.state == "complete" else file.length or self._arrived.get(file.id, 0)
        self._bytes_of_key[file.user, file.key_id] += sign * size
        self._bytes_of_space[file.space] += sign * size


def place(file: File) -> Place:
    """Where a file is in a list."""
    return Place(file.created_at, file.id)


def _key(beside: Place) -> Key:
    return beside.at, beside.key
