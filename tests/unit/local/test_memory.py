"""How much memory nats-server shall make do with."""

from pathlib import Path

import pytest

from services.local.memory import LEAST, nats_memory, total_memory

GIB = 1 << 30


@pytest.mark.parametrize(("total", "servers", "limit"), [(8 * GIB, 1, 2 * GIB), (12 * GIB, 3, GIB)])
def test_all_servers_together_get_a_quarter(total: int, servers: int, limit: int) -> None:
    assert nats_memory(total, servers) == limit


def test_a_small_machine_leaves_each_what_it_needs() -> None:
    assert nats_memory(GIB // 2, 1) == nats_memory(2 * GIB, 3) == LEAST


def test_a_container_has_what_it_may_take(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    machine = total_memory(limit)
    limit.write_text("max\n")
    assert total_memory(limit) == machine
    limit.write_text(f"{machine // 2}\n")
    assert total_memory(limit) == machine // 2
    limit.write_text(f"{machine * 2}\n")
    assert total_memory(limit) == machine
