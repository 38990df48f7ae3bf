"""How much memory there is, and how much of it nats-server shall make do with."""

import os
from pathlib import Path

_MIB = 1 << 20
LEAST = 256 * _MIB
"""Below this its garbage collector works more than the server itself, measured with uploads (ADR 10)."""
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def total_memory(cgroup_limit: Path = _CGROUP_LIMIT) -> int:
    """The bytes that the machine has, or that our container may take if that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(total, int(cgroup_limit.read_text()))
    except (OSError, ValueError):  # no control group of its own, or "max"
        return total


def nats_memory(total: int, servers: int) -> int:
    """The bytes from which on each of so many nats-servers collects its garbage at once: together a quarter of all, since
    gateways, services, PostgreSQL and perhaps an agent with its model live here as well."""
    return max(LEAST, total // 4 // servers)
