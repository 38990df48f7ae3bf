"""Files, as the gateway tells of them, and where values refer to them. Pure. As `objects`, it need not be of its version."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from spaces_client import objects
from spaces_client.objects import NOTHING

PATH = "/v1/files"
_REFERENCE = re.compile(PATH + r"/[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class FileUrls(msgspec.Struct, frozen=True, kw_only=True):
    """`content`: where the bytes are for an hour, without a key; None until the file is complete."""

    content: str | None = None


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file. `kind`: `upload` of a user, `output` of a handler, or a request's whole `input` or `result`. `done`: all of
    its bytes have come; so far `received`. `size` and `sha256` are None until they are known. It may be deleted from
    `expires_at` on, unless a request that has not ended needs it. The name is what somebody has called it: no path to
    write to."""

    id: str
    kind: str = ""
    space: str = ""
    user: str = ""
    name: str = ""
    media_type: str = ""
    size: int | None = None
    received: int | None = None
    sha256: str | None = None
    done: bool = False
    created_at: datetime | None = None
    expires_at: datetime | None = None
    urls: FileUrls = FileUrls()
    raw: msgspec.Raw = NOTHING

    @property
    def reference(self) -> str:
        """What stands for the file in an input or an output."""
        return reference_to(self.id)


def file(data: bytes | msgspec.Raw) -> File:
    """The file in these bytes. Raises InvalidAnswer."""
    return objects.read(data, File)


def id_of(id_or_reference: str) -> str:
    """The id of a file that is given by its id or by a reference."""
    return id_or_reference.removeprefix(f"{PATH}/")


def reference_to(id: str) -> str:
    """What stands for a file with this id in an input or an output."""
    return f"{PATH}/{id}"


def references(value: Any) -> list[str]:
    """The references to files anywhere in an input or an output, each once, in their order."""
    found: dict[str, None] = {}
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            if _REFERENCE.fullmatch(each):
                found[each] = None
        elif isinstance(each, Mapping):
            left.extend(reversed(list(each.values())))
        elif isinstance(each, Sequence):
            left.extend(reversed(each))
    return list(found)
