"""The SQL of this service, by name."""

import functools
import re
from pathlib import Path

SQL = Path(__file__).parent / "sql"
MIGRATIONS = SQL / "migrations"
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@functools.cache
def _statements() -> dict[str, str]:
    _, *parts = _NAME.split((SQL / "queries.sql").read_text())
    return {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}


def sql(name: str) -> str:
    """The statement `name` of `sql/queries.sql`."""
    return _statements()[name]
