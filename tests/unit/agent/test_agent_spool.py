"""Results and output on disk until acknowledged (protocol, rule 1)."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from spaces_agent import frames
from spaces_agent.spool import WRITE_AFTER_S, Loaded, Spool, WriteBehind
from tests.unit.agent.given_session import output, result


def leases(directory: Path) -> list[int]:
    return [kept.lease for kept in Spool(directory).load().pending]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def spooled(directory: Path, *kept: frames.Output | frames.Result) -> None:
    spool = Spool(directory)
    for frame in kept:
        spool.put(frame)


class TestResults:
    def test_a_kept_result_is_found_by_the_next_process(self, tmp_path: Path) -> None:
        spooled(tmp_path, result(7))
        assert Spool(tmp_path).load() == Loaded(pending=[result(7)])

    def test_results_come_back_oldest_lease_first(self, tmp_path: Path) -> None:
        spooled(tmp_path, result(12), result(9), result(100))
        assert leases(tmp_path) == [9, 12, 100]

    def test_a_forgotten_result_is_gone_and_forgetting_twice_is_harmless(self, tmp_path: Path) -> None:
        spooled(tmp_path, result(7))
        Spool(tmp_path).forget(7)
        Spool(tmp_path).forget(7)
        assert leases(tmp_path) == []

    def test_nobody_else_may_read_a_result_or_output(self, tmp_path: Path) -> None:
        directory = tmp_path / "spool"
        spooled(directory, result(7), output(7, 1))
        assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
        assert directory.stat().st_mode & 0o777 == 0o700

    def test_a_damaged_file_is_set_aside_and_the_others_are_found(self, tmp_path: Path) -> None:
        spooled(tmp_path, result(7))
        (tmp_path / "8.json").write_bytes(b"")
        (tmp_path / "9.json").write_bytes(frames.encode(result(10)))
        (tmp_path / "11.json").write_bytes(frames.encode(frames.Goodbye()))
        loaded = Spool(tmp_path).load()
        assert loaded.pending == [result(7)]
        assert sorted(loaded.unusable) == ["11.corrupt", "8.corrupt", "9.corrupt"]
        assert names(tmp_path) == ["11.corrupt", "7.json", "8.corrupt", "9.corrupt"]

    def test_what_a_dying_process_left_unfinished_is_removed(self, tmp_path: Path) -> None:
        (tmp_path / "8.part").write_bytes(b"{")
        assert leases(tmp_path) == []
        assert names(tmp_path) == []


class TestOutput:
    def test_output_is_found_with_its_result_in_order(self, tmp_path: Path) -> None:
        said = [output(7, index) for index in (9, 10, 11)]
        spooled(tmp_path, *reversed(said), result(7, last_index=11), output(6, 1), result(6, last_index=1))
        loaded = Spool(tmp_path).load()
        assert loaded.pending == [result(6, 1), result(7, 11)]
        assert loaded.outputs == [output(6, 1), *said]

    def test_a_result_whose_output_is_all_acknowledged_needs_none(self, tmp_path: Path) -> None:
        spooled(tmp_path, result(7, last_index=11))
        assert Spool(tmp_path).load() == Loaded(pending=[result(7, 11)])

    def test_output_without_a_result_is_removed(self, tmp_path: Path) -> None:
        spooled(tmp_path, output(7, 1), output(7, 2), result(8))
        assert Spool(tmp_path).load() == Loaded(pending=[result(8)])
        assert names(tmp_path) == ["8.json"]

    @pytest.mark.parametrize("kept", [(1, 3), (1, 2), (2,), (1, 2, 3, 4)], ids=str)
    def test_a_result_whose_output_is_not_whole_is_set_aside(self, tmp_path: Path, kept: tuple[int, ...]) -> None:
        spooled(tmp_path, *(output(7, index) for index in kept), result(7, last_index=3), result(8))
        assert Spool(tmp_path).load() == Loaded(pending=[result(8)], unusable=["7.corrupt"])
        assert names(tmp_path) == ["7.corrupt", "8.json"]

    def test_a_result_with_damaged_output_is_set_aside_with_it(self, tmp_path: Path) -> None:
        spooled(tmp_path, output(7, 2), result(7, last_index=3), result(8))
        (tmp_path / "7-3.json").write_bytes(b"{")
        loaded = Spool(tmp_path).load()
        assert (loaded.pending, loaded.outputs) == ([result(8)], [])
        assert names(tmp_path) == ["7-3.corrupt", "7.corrupt", "8.json"]

    def test_a_result_whose_only_output_is_damaged_is_set_aside(self, tmp_path: Path) -> None:
        spooled(tmp_path, result(7, last_index=1))
        (tmp_path / "7-1.json").write_bytes(frames.encode(output(7, 2)))
        assert Spool(tmp_path).load().pending == []


class TestWriteBehind:
    def test_what_is_acknowledged_in_time_never_touches_the_disk(self, tmp_path: Path) -> None:
        behind = WriteBehind(Spool(tmp_path))
        for frame in (output(7, 1), output(7, 2), result(7, 2)):
            behind.add(frame, now=1.0)
        behind.stored(7, 1)
        behind.forget(7)
        behind.write_due(100.0)
        assert names(tmp_path) == []
        assert behind.due_at() is None

    def test_a_frame_whose_acknowledgement_is_slow_is_written_until_it_comes(self, tmp_path: Path) -> None:
        behind = WriteBehind(Spool(tmp_path))
        behind.add(output(7, 1), now=1.0)
        behind.add(result(8), now=2.0)
        assert behind.due_at() == 1.0 + WRITE_AFTER_S
        behind.write_due(1.0 + WRITE_AFTER_S)
        assert names(tmp_path) == ["7-1.json"]
        behind.write_due(2.0 + WRITE_AFTER_S)
        assert names(tmp_path) == ["7-1.json", "8.json"]
        behind.stored(7, 1)
        behind.forget(8)
        assert names(tmp_path) == []

    def test_an_acknowledgement_removes_all_output_up_to_its_index_and_nothing_else(self, tmp_path: Path) -> None:
        behind = WriteBehind(Spool(tmp_path))
        for frame in (output(7, 1), output(7, 2), output(7, 3), result(7, 3), output(8, 1)):
            behind.add(frame, now=1.0)
        behind.write_due(2.0)
        behind.stored(7, 2)
        assert names(tmp_path) == ["7-3.json", "7.json", "8-1.json"]

    def test_output_is_on_disk_before_its_result(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        written: list[int] = []
        spool = Spool(tmp_path)
        monkeypatch.setattr(spool, "put", lambda frame: written.append(getattr(frame, "index", 0)))
        behind = WriteBehind(spool)
        for frame in (output(7, 1), output(7, 2), result(7, 2)):
            behind.add(frame, now=1.0)
        behind.write_due(2.0)
        assert written == [1, 2, 0]

    def test_a_result_is_not_written_when_its_output_cannot_be(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spool, put = Spool(tmp_path), Spool.put
        refuses = True

        def refuse(frame: frames.Output | frames.Result) -> None:
            if refuses and isinstance(frame, frames.Output):
                raise OSError("the disk is full")
            put(spool, frame)

        monkeypatch.setattr(spool, "put", refuse)
        behind = WriteBehind(spool)
        behind.add(output(7, 1), now=1.0)
        behind.add(result(7, 1), now=1.0)
        with pytest.raises(OSError, match="full"):
            behind.write_due(2.0)
        assert names(tmp_path) == []
        refuses = False
        behind.write_due(2.0)
        assert names(tmp_path) == ["7-1.json", "7.json"]

    def test_when_a_lease_is_over_its_result_is_removed_before_its_output(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spool = Spool(tmp_path)
        removed: list[int] = []
        monkeypatch.setattr(spool, "forget", lambda lease, index: removed.append(index))
        behind = WriteBehind(spool)
        for frame in (output(7, 10), output(7, 9), result(7, 10)):
            behind.add(frame, now=1.0)
        behind.write_due(2.0)
        behind.forget(7)
        assert removed == [0, 9, 10]

    def test_what_an_earlier_process_left_is_not_written_again_and_removed_when_acknowledged(self, tmp_path: Path) -> None:
        spooled(tmp_path, output(7, 2), result(7, 2))
        behind = WriteBehind(Spool(tmp_path))
        loaded = behind.load()
        for frame in (*loaded.outputs, *loaded.pending):
            behind.add(frame, now=1.0)  # type: ignore[arg-type]
        assert behind.due_at() is None
        behind.stored(7, 2)
        assert names(tmp_path) == ["7.json"]
        behind.forget(7)
        assert names(tmp_path) == []


def test_a_frame_on_disk_is_the_frame_that_was_sent(tmp_path: Path) -> None:
    said = frames.Output(
        request_id="0" * 33 + "7", attempt=2, lease=7, index=1, kind="log", data=msgspec.Raw('["é\\n"]'.encode())
    )
    spooled(tmp_path, said)
    assert (tmp_path / "7-1.json").read_bytes() == frames.encode(said)
