"""Logs that do not grow for ever."""

import os
import stat
import sys
import time
from pathlib import Path

import pytest

from services.local.child import Child
from services.local.log_rotation import rotate


def contents(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir()}


def test_a_full_log_is_put_aside_and_the_oldest_goes(tmp_path: Path) -> None:
    log = tmp_path / "gateway-1.log"
    for number in range(5):
        with log.open("a") as file:
            file.write(f"{number}" * 11)
        assert rotate(tmp_path, max_bytes=10, kept=2) == [log]
        assert log.stat().st_size == 0
    assert contents(tmp_path) == {"gateway-1.log": "", "gateway-1.log.1": "4" * 11, "gateway-1.log.2": "3" * 11}
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("*.log.*")} == {0o600}


def test_what_is_not_full_or_no_log_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("x" * 10)
    (tmp_path / "b.log.1").write_text("x" * 99)
    (tmp_path / "c.txt").write_text("x" * 99)
    before = contents(tmp_path)
    assert rotate(tmp_path, max_bytes=10) == []
    assert contents(tmp_path) == before


def test_with_no_older_ones_kept_but_one_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("x" * 11)
    rotate(tmp_path, max_bytes=10, kept=1)
    assert contents(tmp_path) == {"a.log": "", "a.log.1": "x" * 11}


def test_a_log_that_cannot_be_copied_costs_no_older_one_but_the_oldest(tmp_path: Path) -> None:
    for name, text in (("a.log", "x" * 11), ("a.log.1", "1"), ("a.log.2", "2"), ("a.log.3", "3")):
        (tmp_path / name).write_text(text)
    (tmp_path / "a.log.new").mkdir()
    for _ in range(3):
        with pytest.raises(IsADirectoryError):
            rotate(tmp_path, max_bytes=10, kept=3)
    (tmp_path / "a.log.new").rmdir()
    assert contents(tmp_path) == {"a.log": "x" * 11, "a.log.1": "1", "a.log.2": "2"}


def test_a_child_goes_on_in_the_same_file_and_its_last_words_are_found(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    program = "import os, time\nfor n in range(10**6):\n os.write(2, b'said %d\\n' % n)\n time.sleep(0.001)"
    child = Child("child", log)
    log.write_text("of a former start\n" * 9)
    child.start([sys.executable, "-c", program], os.environ)
    try:
        _until_larger(log, 400)
        rotate(tmp_path, max_bytes=100)
        _until_larger(log, 50)
    finally:
        child.stop(timeout_s=10)
    assert "\0" not in log.read_text()
    assert child.last_words().startswith("said ")
    lines = [line for path in (log.with_name("child.log.1"), log) for line in path.read_text().splitlines()]
    numbers = [int(line.split()[1]) for line in lines if line.startswith("said ")]
    assert numbers == sorted(set(numbers))


def _until_larger(log: Path, size: int) -> None:
    deadline = time.monotonic() + 20
    while log.stat().st_size < size:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_logs_that_cannot_be_put_aside_are_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("x" * 11)
    (tmp_path / "a.log.1").mkdir()
    (tmp_path / "a.log.1" / "in the way").touch()
    with pytest.raises(OSError, match=r"a\.log\.1"):
        rotate(tmp_path, max_bytes=10, kept=1)
    assert (tmp_path / "a.log").read_text() == "x" * 11
