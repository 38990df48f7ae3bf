"""The bytes of a download, gone on with after a cut by ranges (RFC 9110, 14), and compared with size and SHA-256. Pure: what
writes them is an argument."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Generator, Mapping
from typing import Any

from spaces_client import answers
from spaces_client.call import ANSWER_S, Yielded
from spaces_client.errors import DamagedFile, InvalidAnswer
from spaces_client.file_calls import path
from spaces_client.files import File
from spaces_client.steps import Again, Answer, Exchange, Lost
from spaces_client.uploading import TRIES, Progress, asked_s, failure

_PARTIAL = 206
_START = re.compile(r"bytes (\d{1,18})-", re.ASCII)


class Received:
    """What has come of a file, over any number of connections: a Sink."""

    def __init__(self, size: int, sha256: str, put: Callable[[bytes], object]) -> None:
        """`put` writes bytes, each once and in order."""
        self.size, self._sha256, self._put = size, sha256, put
        self._digest = hashlib.sha256()
        self._skip = 0
        self.count = 0
        """So many bytes have come."""

    def headers(self) -> dict[str, str]:
        """What the next connection asks for: what is missing of this very file, and nothing encoded, since bytes are
        counted."""
        headers = {"Accept-Encoding": "identity"}
        return headers | ({"Range": f"bytes={self.count}-", "If-Range": f'"{self._sha256}"'} if self.count else {})

    def opened(self, status: int, headers: Mapping[str, str]) -> None:
        """See Sink. A gateway may send all of it again."""
        start = 0
        if status == _PARTIAL:
            match = _START.match(headers.get("content-range", ""))
            start = int(match[1]) if match else self.count + 1
        if start > self.count:
            raise InvalidAnswer("it sent another part of the file than was asked for")
        self._skip = self.count - start

    def write(self, piece: bytes) -> None:
        """See Sink."""
        skipped = min(self._skip, len(piece))
        self._skip -= skipped
        fresh = piece[skipped:]
        if self.count + len(fresh) > self.size:
            raise DamagedFile(f"the file has more bytes than the {self.size} that it should have")
        self._digest.update(fresh)
        self._put(fresh)
        self.count += len(fresh)

    def check(self) -> None:
        """All has come: is it what it should be? Raises DamagedFile."""
        if self._digest.hexdigest() != self._sha256:
            raise DamagedFile("the SHA-256 of what came is not that of the file: it was damaged on its way")


def fetched(file: File, put: Callable[[bytes], object], progress: Progress) -> Generator[Yielded, Any, None]:
    """Bring all bytes of a file that is `done`. Raises ClientError: DamagedFile also at the end, after all was put."""
    received = Received(file.size or 0, file.sha256 or "", put)
    failures = 0
    while received.count < received.size:
        before = received.count
        outcome: Answer | Lost = yield _get(file, received, progress)
        if isinstance(outcome, Answer) and outcome.status not in answers.TRY_AGAIN:
            answers.check(*outcome)
        if received.count == received.size:
            break
        failures = 1 if received.count > before else failures + 1
        if failures >= TRIES:
            raise failure(outcome, "the gateway does not send all bytes of the file")
        yield Again(failures - 1, asked_s(outcome))
    received.check()


def _get(file: File, received: Received, progress: Progress) -> Exchange:
    def moved(_: int) -> None:
        progress(received.count, received.size)

    content = path(file.id, "/content")
    return Exchange("GET", content, received.headers(), {}, None, ANSWER_S, sink=received, moved=moved)
