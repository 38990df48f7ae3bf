"""PURE: what a pass of the collector has done, for an operator."""

from collections import Counter
from dataclasses import dataclass, field

from services.history.collecting import Reason

_UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(slots=True)
class Collected:
    """`deleted`: files, by the reason; `bytes`: what they took; `expiring`: files that the next pass deletes if nobody takes
    them up; `left`: files of which bytes were removed that no record had any more; `more`: there was more to do than a pass
    does."""

    deleted: Counter[Reason] = field(default_factory=Counter)
    bytes: int = 0
    expiring: int = 0
    left: int = 0
    more: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return bool(self.deleted or self.expiring or self.left)

    def __str__(self) -> str:
        reasons = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in self.deleted.most_common())
        parts = [f"deleted {_files(self.deleted.total())} of {_size(self.bytes)} ({reasons})"] if self.deleted else []
        parts += [f"let {_files(self.expiring)} expire"] if self.expiring else []
        parts += [f"removed what was left of {_files(self.left)}"] if self.left else []
        return "; ".join(parts) or "nothing to delete"


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"


def _size(bytes: int) -> str:
    amount, unit = float(bytes), 0
    while amount >= 1000 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.3g} {_UNITS[unit]}"
