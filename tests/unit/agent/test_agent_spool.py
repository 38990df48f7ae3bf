"""Results on disk until acknowledged (protocol, rule 1)."""

from __future__ import annotations

from pathlib import Path

import msgspec

from spaces_agent import frames
from spaces_agent.spool import WRITE_AFTER_S, Spool, WriteBehind


def result(lease: int, output: bytes = b'{"x":1}') -> frames.Result:
    return frames.Result(
        request_id=f"{lease:034x}",
        attempt=1,
        lease=lease,
        status="succeeded",
        sha256="0" * 64,
        output=msgspec.Raw(output),
    )


def leases(directory: Path) -> list[int]:
    return [kept.lease for kept in Spool(directory).load()]


def test_a_kept_result_is_found_by_the_next_process(tmp_path: Path) -> None:
    Spool(tmp_path).put(result(7))
    assert Spool(tmp_path).load() == [result(7)]


def test_results_come_back_oldest_lease_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for lease in (12, 9, 100):
        spool.put(result(lease))
    assert leases(tmp_path) == [9, 12, 100]


def test_a_forgotten_result_is_gone_and_forgetting_twice_is_harmless(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.put(result(7))
    spool.forget(7)
    spool.forget(7)
    assert leases(tmp_path) == []


def test_nobody_else_may_read_a_result(tmp_path: Path) -> None:
    directory = tmp_path / "spool"
    Spool(directory).put(result(7))
    [path] = directory.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_damaged_file_is_set_aside_and_the_others_are_found(tmp_path: Path) -> None:
    Spool(tmp_path).put(result(7))
    (tmp_path / "8.json").write_bytes(b"")
    (tmp_path / "9.json").write_bytes(frames.encode(result(10)))
    (tmp_path / "11.json").write_bytes(frames.encode(frames.Goodbye()))
    assert leases(tmp_path) == [7]
    assert sorted(path.name for path in tmp_path.glob("*.corrupt")) == ["11.corrupt", "8.corrupt", "9.corrupt"]


def test_what_a_dying_process_left_unfinished_is_removed(tmp_path: Path) -> None:
    (tmp_path / "8.part").write_bytes(b"{")
    assert leases(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_is_acknowledged_in_time_never_touches_the_disk(tmp_path: Path) -> None:
    behind = WriteBehind(Spool(tmp_path))
    behind.add(result(7), now=1.0)
    behind.forget(7)
    behind.write_due(100.0)
    assert list(tmp_path.iterdir()) == []
    assert behind.due_at() is None


def test_a_result_whose_acknowledgement_is_slow_is_written_until_it_comes(tmp_path: Path) -> None:
    behind = WriteBehind(Spool(tmp_path))
    behind.add(result(7), now=1.0)
    behind.add(result(8), now=2.0)
    assert behind.due_at() == 1.0 + WRITE_AFTER_S
    behind.write_due(1.0 + WRITE_AFTER_S)
    assert leases(tmp_path) == [7]
    behind.forget(7)
    assert leases(tmp_path) == []


def test_a_result_of_an_earlier_process_is_removed_when_acknowledged(tmp_path: Path) -> None:
    Spool(tmp_path).put(result(7))
    behind = WriteBehind(Spool(tmp_path))
    assert behind.load() == [result(7)]
    behind.forget(7)
    assert leases(tmp_path) == []
