"""PURE: what is in a backup, by which names, and whether all of it is there unchanged.

A backup is a tar archive of regular files: `home/…`, `postgres/database.dump`, and of each uploaded file
`files/<id>.json` (its record) and `files/<id>` (its bytes). Behind them come `manifest.json`, which names all of them with
size and digest, and `manifest.sha256`. Names are looked up, never used as paths, so that no archive can write anywhere.
"""

import hashlib
import re
from collections.abc import Mapping

import msgspec

from services.contracts.files import is_file_id

FORMAT = 1
"""Raised when an older release could not restore what is written."""
MANIFEST, SEAL = "manifest.json", "manifest.sha256"
DUMP = "postgres/database.dump"
STATE, CREDENTIALS = "home/state.json", "home/credentials.json"
_FILES, _RECORD = "files/", ".json"
_REQUIRED = frozenset({DUMP, STATE, CREDENTIALS})
_TERMINAL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SHOWN = 60


class Broken(ValueError):
    """This is no backup that could be restored; the text says why."""


class Member(msgspec.Struct, frozen=True):
    """The size of a part, in bytes, and its SHA-256 in hex."""

    size: int
    sha256: str


class Position(msgspec.Struct, frozen=True):
    """How far a stream was recorded."""

    epoch: int
    seq: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds. `made_at`: an instant (RFC 3339), at which everything that had been acknowledged is in it.
    `schema`: the last migration of its database. `positions`: how far each stream is in the log. `bootstrapped`: whether the
    home had got its first user and keys."""

    format: int
    made_at: str
    release: str
    schema: int
    postgresql: str
    bootstrapped: bool
    positions: dict[str, Position]
    events: int
    requests: int
    open_requests: int
    files: int
    file_bytes: int
    members: dict[str, Member]


def encode(manifest: Manifest) -> bytes:
    """The manifest as it stands in the archive."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def seal(encoded: bytes) -> bytes:
    """What is written behind the manifest."""
    return f"{hashlib.sha256(encoded).hexdigest()}  {MANIFEST}\n".encode()


def check_name(name: str) -> None:
    """Raises Broken when no backup has a part of this name."""
    if name not in _REQUIRED | {MANIFEST, SEAL} and file_of(name) is None:
        raise Broken(f"it holds {_TERMINAL.sub('?', name)[:_SHOWN]!r}, which is no part of a backup")


def file_names(id: str) -> tuple[str, str]:
    """The names of a file's record and of its bytes."""
    return f"{_FILES}{id}{_RECORD}", f"{_FILES}{id}"


def file_of(name: str) -> str | None:
    """The id of the file whose record or bytes have this name."""
    if not name.startswith(_FILES):
        return None
    id = name.removeprefix(_FILES).removesuffix(_RECORD)
    return id if is_file_id(id) else None


def checked(encoded: bytes, sealed: bytes, found: Mapping[str, Member], newest_schema: int) -> Manifest:
    """The manifest, if it is whole, of a version that is known here, and says what was `found`. `newest_schema`: the last
    migration that this release has. Raises Broken."""
    if sealed != seal(encoded):
        raise Broken("its manifest was changed")
    _check_version(encoded, newest_schema)
    try:
        manifest = msgspec.json.decode(encoded, type=Manifest)
    except msgspec.MsgspecError as error:
        raise Broken(f"its manifest cannot be read ({error})") from error
    for name, member in manifest.members.items():
        if name not in found:
            raise Broken(f"{name} is missing")
        if found[name] != member:
            raise Broken(f"{name} was changed")
    if extra := sorted(set(found) - set(manifest.members)):
        raise Broken(f"it holds {extra[0]}, which its manifest does not name")
    if lacking := sorted(_REQUIRED - set(found)):
        raise Broken(f"{lacking[0]} is missing")
    return manifest


class _Version(msgspec.Struct):
    format: int = 0
    schema: int = 0
    release: str = ""


def _check_version(encoded: bytes, newest_schema: int) -> None:
    """Said first: the rest may be different in a later version."""
    try:
        version = msgspec.json.decode(encoded, type=_Version)
    except msgspec.MsgspecError as error:
        raise Broken(f"its manifest cannot be read ({error})") from error
    if version.format != FORMAT:
        raise Broken(f"it has format {version.format} (of release {version.release}), and this release reads {FORMAT}")
    if version.schema > newest_schema:
        raise Broken(
            f"its database is at version {version.schema} (of release {version.release}), this release knows {newest_schema}"
        )
