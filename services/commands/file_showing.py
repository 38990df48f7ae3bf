"""Files as people see them. Pure."""

from collections.abc import Iterable
from datetime import datetime

from services.commands import text
from services.commands.tables import aligned
from spaces_client.files import File

_LONGEST_NAME = 60
_UNITS = ("KiB", "MiB", "GiB", "TiB")


def size(count: int) -> str:
    """So many bytes, as precise as it makes sense."""
    if count < 1024:
        return f"{count} B"
    unit = min(len(_UNITS), (count.bit_length() - 1) // 10)
    return f"{count / 1024**unit:.1f} {_UNITS[unit - 1]}"


def table(found: Iterable[File]) -> str:
    """Files, one on a line."""
    rows = [
        (
            file.reference,
            file.space,
            text.line(file.name, _LONGEST_NAME),
            file.media_type,
            "" if file.size is None else size(file.size),
            file.kind if file.done else f"{file.kind}, not all here",
            _instant(file.expires_at),
        )
        for file in found
    ]
    return aligned(("FILE", "SPACE", "NAME", "TYPE", "SIZE", "KIND", "KEPT UNTIL (UTC)"), rows)


def block(file: File) -> str:
    """A file, field by field."""
    fields = [
        ("file", file.reference),
        ("name", file.name),
        ("space", file.space),
        ("kind", file.kind),
        ("type", file.media_type),
        ("size", "" if file.size is None else f"{file.size} bytes"),
        ("received", "" if file.done or file.received is None else f"{file.received} bytes"),
        ("sha256", file.sha256 or ""),
        ("created", _instant(file.created_at)),
        ("until", _instant(file.expires_at)),
    ]
    return "\n".join(f"{name:<10}{text.line(value)}" for name, value in fields if value)


def moving(name: str, passed: int, whole: int) -> str:
    """How far a transfer is."""
    return f"{passed / whole if whole else 1:.0%} of {size(whole)}" + (f": {name}" if name else "")


def _instant(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at is not None else ""
