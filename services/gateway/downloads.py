"""Downloads: names that harm nobody, and which part of a file is asked for (RFC 9110, RFC 6266, RFC 8187). Pure."""

import re
import unicodedata
from typing import NamedTuple
from urllib.parse import quote

from services.contracts.files import MAX_FILE_NAME, File
from services.gateway.media_types import INERT, shown_as
from services.gateway.problems import ApiProblem

UNNAMED = "file"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_PLAIN = re.compile(r"[^A-Za-z0-9._ -]")
_SAFE: dict[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
    "Accept-Ranges": "bytes",
}


class Part(NamedTuple):
    """The bytes from `start` up to `stop`; `partial`: somebody has asked for a part."""

    start: int
    stop: int
    partial: bool


def safe_name(given: str) -> str:
    """A name under which a file may be saved: the last part of a path, without control and invisible characters, which
    could make it look like another."""
    last = re.split(r"[/\\]", given)[-1]
    kept = "".join(each for each in last if unicodedata.category(each)[0] != "C")
    stripped = " ".join(kept.split()).strip(". ")
    return stripped.encode()[:MAX_FILE_NAME].decode(errors="ignore") or UNNAMED


def disposition(name: str, media_type: str) -> str:
    """The value of Content-Disposition: to be saved, unless it is something inert to be looked at."""
    kind = "inline" if media_type in INERT else "attachment"
    plain = _PLAIN.sub("_", unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()) or UNNAMED
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def headers_of(file: File) -> dict[str, str]:
    """What goes with a file's bytes, however many of them."""
    return {
        **_SAFE,
        "Content-Type": shown_as(file.media_type),
        "Content-Disposition": disposition(file.name or UNNAMED, file.media_type),
        "ETag": tag(file),
    }


def tag(file: File) -> str:
    """Its ETag: a file's bytes never change, so their digest names them."""
    return f'"{file.sha256}"'


def is_known(if_none_match: str, file: File) -> bool:
    """Whether the client has the file already, by its If-None-Match (RFC 9110, 13.1.2)."""
    return if_none_match.strip() == "*" or file.sha256 in _TAG.findall(if_none_match)


def part(size: int, range: str, if_range: str, etag: str) -> Part:
    """The part that a Range header asks for (RFC 9110, 14.2). All of it, when there is none, when it is of another unit, of
    several parts or damaged, or when If-Range names another file: that RFC lets us. Raises ApiProblem when there is no such
    part."""
    match = _RANGE.fullmatch(range.strip())
    if match is None or match[0] == "bytes=-" or (if_range and if_range.strip() != etag):
        return Part(0, size, False)
    first, last = match[1], match[2]
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return Part(0, size, False)
    if start >= stop:
        detail = f"The file has {size} bytes; there are none at {range[:64]}."
        raise ApiProblem("range_not_satisfiable", detail, headers={"Content-Range": f"bytes */{size}"})
    return Part(start, stop, True)
