"""Stylesheets, scripts and pictures of the pages. One digest of them all stands in the address of each, so that scripts can
import each other by name, and browsers may keep them for ever."""

import hashlib
from collections.abc import Mapping
from importlib.resources import files

import msgspec

from services.gateway.web.catalogues import Words, script_words

PREFIX = "/static"
MEDIA_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}
_NOT_KEPT = {"Cache-Control": "no-store"}


class Assets:
    """Files by name."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._contents = contents
        digest = hashlib.sha256()
        for name in sorted(contents):
            digest.update(name.encode() + b"\0" + contents[name])
        self.digest = digest.hexdigest()[:16]

    def url(self, name: str) -> str:
        """Where a browser finds a file. Raises KeyError."""
        if name not in self._contents:
            raise KeyError(name)
        return f"{PREFIX}/{self.digest}/{name}"

    def get(self, name: str) -> tuple[bytes, str] | None:
        """A file and its media type."""
        content = self._contents.get(name)
        return None if content is None else (content, MEDIA_TYPES[name.rpartition(".")[2]])

    def headers(self, digest: str) -> dict[str, str]:
        """How long to keep a file that was asked for with this digest. A gateway of another version has made a page that
        asks with another one: it gets what there is here, and is not to keep it."""
        return _KEPT if digest == self.digest else _NOT_KEPT


def assets() -> Assets:
    """Those of this version, with the words for its scripts in every language."""
    directory = files("services.gateway.web").joinpath("static")
    contents = {file.name: file.read_bytes() for file in directory.iterdir() if file.name.rpartition(".")[2] in MEDIA_TYPES}
    return Assets(contents | {f"messages.{language}.js": _module(words) for language, words in script_words().items()})


def _module(words: Words) -> bytes:
    return b"export default " + msgspec.json.encode(words) + b";\n"
