import os
from pathlib import Path

from bench import cpu
from bench.bare_side import environment
from bench.cpu import Process

STAT = "42 (a (b) c) S 7 42 42 0 -1 4194304 900 0 0 0 150 50 30 20 20 0 1 0 1000 5000 300 18446744073709551615"


def test_a_process_is_read_whatever_its_name_holds() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    assert cpu.parse(STAT, "a b") == Process(42, 7, "a b", 200 / ticks, 50 / ticks)


def test_a_tree_counts_descendants_and_the_children_that_have_ended() -> None:
    family = [Process(1, 0, "top", 1, 10), Process(2, 1, "", 2, 0), Process(3, 2, "", 4, 0), Process(9, 0, "", 100, 0)]
    table = {process.pid: process for process in family}
    assert cpu.tree_s(table, 1) == 17
    assert cpu.tree_s(table, 1, without=[2]) == 11
    assert cpu.tree_s(table, 5) == 0


def test_what_was_used_is_the_difference_the_busiest_first() -> None:
    assert list(cpu.used_s({"a": 1.0, "b": 2.0}, {"a": 1.5, "b": 4.0, "c": 1.0}).items()) == [
        ("b", 2.0),
        ("c", 1.0),
        ("a", 0.5),
    ]


def test_this_process_is_among_all_processes() -> None:
    own = cpu.processes()[os.getpid()]
    assert own.parent == os.getppid()
    assert own.own_s > 0


def test_the_bare_pipeline_is_told_of_fsync_only_when_it_is_wanted(tmp_path: Path) -> None:
    assert environment(tmp_path, "always", "postgresql://x")["SYNC"] == "always"
    assert environment(tmp_path, "default", "postgresql://x")["SYNC"] == ""
