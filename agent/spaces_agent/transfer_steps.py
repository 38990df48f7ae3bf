"""What to do after which answer while a file is brought or taken. Pure.

Downloads are resumed by ranges (RFC 9110, 14), uploads as tus 1.0.0 says (https://tus.io/protocols/resumable-upload)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from spaces_agent import frames
from spaces_agent.backoff import Backoff
from spaces_agent.errors import FileFailed, FileGone

MAX_PAUSE_S = 60.0
"""A gateway may ask to be left alone no longer than this."""

_MAY_PASS = frozenset({408, 423, 425, 429, 500, 502, 503, 504})
_GONE = frozenset({404, 410})
_REFUSED = frozenset({401, 403})
"""Whoever gave out the signed URL may give out a good one with the next attempt; and proxies say this too."""
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What a gateway has answered. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Again:
    """Try again, after at least so many seconds."""

    reason: str
    after_s: float = 0.0


class Interrupted(Exception):
    """A try has come to nothing, but another one may come to more."""

    def __init__(self, again: Again) -> None:
        super().__init__(again.reason)
        self.again = again


@dataclass(frozen=True, slots=True)
class Content:
    """The body follows; its first `skip` bytes are there already."""

    skip: int


# Download


def range_headers(offset: int, etag: str) -> dict[str, str]:
    """What to ask with when the first `offset` bytes are there. Nothing is to be encoded: bytes are counted."""
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if etag:
            headers["If-Range"] = etag
    return headers


def received(answer: Answer, offset: int) -> Content | Again:
    """After asking for the bytes from `offset` on. Raises FileGone, FileFailed."""
    if answer.status == 200:
        return Content(skip=offset)  # whole, since a file never changes: at the end its digest tells
    if answer.status == 206:
        start = re.match(r"bytes (\d{1,18})-", answer.headers.get("content-range", ""))
        if start is None or int(start[1]) > offset:
            raise FileFailed("the gateway sent another part of the file than was asked for", retryable=True)
        return Content(skip=offset - int(start[1]))
    if answer.status in _GONE:
        raise FileGone(f"the file is there no more: {_reason(answer)}")
    return _otherwise(answer, "the file cannot be read")


# Upload


def metadata(name: str, media_type: str) -> str:
    """The header `Upload-Metadata`."""
    values = {"filename": name, "filetype": media_type}
    return ",".join(
        f"{key} {base64.b64encode(value.encode('utf-8', 'replace')).decode()}" for key, value in values.items() if value
    )


def created(answer: Answer, upload_url: str) -> str | Again:
    """After asking for a new file: its URL, relative to the gateway. Raises FileFailed."""
    if answer.status != 201:
        return _otherwise(answer, "the file is not taken")
    location = urlsplit(answer.headers.get("location", ""))
    found = re.search(rf"{frames.FILES_PATH}/{frames.FILE_ID}$", location.path)
    if found is None:
        raise FileFailed("the gateway did not say where the file is to go", retryable=True)
    query = location.query or urlsplit(upload_url).query
    return f"{found[0]}?{query}" if query else found[0]


def reference(url: str) -> str:
    """What to call an uploaded file by in an output."""
    return urlsplit(url).path


def appended(answer: Answer, size: int) -> int | Again:
    """After sending bytes, or asking how many are there: the offset to go on from. Raises FileFailed."""
    if answer.status not in (200, 204):
        if answer.status == 409:
            return Again("the gateway has another number of bytes")
        return _otherwise(answer, "the file is not taken")
    offset = answer.headers.get("upload-offset", "")
    if not re.fullmatch(r"\d{1,18}", offset) or int(offset) > size:
        raise FileFailed("the gateway did not say how much of the file it has", retryable=True)
    return int(offset)


# Both


class Patience:
    """How long to wait between tries: with full jitter, longer and longer while nothing gets through, no later than the
    deadline. Instants are monotonic seconds."""

    def __init__(self, deadline_at: float) -> None:
        self._deadline_at = deadline_at
        self._backoff = Backoff()
        self._trouble = ""

    def progressed(self) -> None:
        """Bytes have got through."""
        self._backoff, self._trouble = Backoff(), ""

    def remaining_s(self, now: float) -> float:
        """The time that is left."""
        return max(0.0, self._deadline_at - now)

    def pause_s(self, again: Again, now: float, entropy: float) -> float:
        """The seconds to wait. Raises FileFailed when the deadline comes first."""
        self._trouble = again.reason
        jittered = self._backoff.after(ready_s=0.0, in_flight=True, slowly=False, entropy=entropy)
        pause_s = max(jittered, min(again.after_s, MAX_PAUSE_S))
        if pause_s >= self.remaining_s(now):
            raise self.over()
        return pause_s

    def over(self) -> FileFailed:
        """What to raise when no time is left."""
        last = f"; the last trouble: {self._trouble}" if self._trouble else ""
        return FileFailed(f"no time is left to transfer the file{last}", retryable=True)


def _otherwise(answer: Answer, what: str) -> Again:
    """What the status means in all steps. Raises FileFailed."""
    reason = _reason(answer)
    if answer.status in _MAY_PASS:
        after = answer.headers.get("retry-after", "")
        return Again(reason, float(after) if re.fullmatch(r"\d{1,6}", after) else 0.0)
    raise FileFailed(f"{what}: {reason}", retryable=answer.status in _REFUSED | _GONE)


def _reason(answer: Answer) -> str:
    """What the problem document (RFC 9457) of the answer says, if it is one."""
    try:
        said = json.loads(answer.body)
        text = said.get("detail") or said.get("title") if isinstance(said, dict) else None
    except (ValueError, RecursionError):
        text = None
    status = f"HTTP {answer.status}"
    return f"{text[:_LONGEST_REASON]} ({status})" if isinstance(text, str) else f"the gateway answered {status}"
