"""Who an agent says that it is."""

from __future__ import annotations

import msgspec


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent says about itself in each `hello`."""

    agent_id: str
    boot_id: str
    spaces: list[str]
    slots: int
    version: str = ""
