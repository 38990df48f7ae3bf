"""What `spaces doctor` makes of the stack on its machine."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.commands import machine_checks as checks
from services.commands.machine_checks import KINDS, Backup, Facts, Process, Stream, Volume
from services.local import machine

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
GIB = 1 << 30
ALL = [Process(kind, number, alive=True, files=20, files_limit=65536, memory=GIB) for number, kind in enumerate(KINDS, 1)]
EMPTY = [Stream("REQUESTS", 0, 8 * GIB), Stream("OBJ_ws_files", 0, 8 * GIB)]
WELL = Facts(
    home="h", running=True, half_restored=False, processes=ALL, modes={"h/state.json": 0o600, "h/nats": 0o700},
    volumes=[Volume("NATS", "h", 100 * GIB)], streams=EMPTY, nats="", nats_memory_limit=2 * GIB, schema=11, newest_schema=11,
    database="", clock_set=True, port=5001, listening=["127.0.0.1"], backup=Backup(NOW - timedelta(hours=8), "b", True),
)  # fmt: skip


def found(**changes: Any) -> dict[str, tuple[str, str]]:
    return {each.check: (each.state, each.told) for each in checks.findings(WELL._replace(**changes), NOW)}


def test_what_is_well_needs_no_remedy() -> None:
    assert {each.state for each in checks.findings(WELL, NOW)} == {"ok"}
    assert not [each for each in checks.findings(WELL, NOW) if each.remedy]


@pytest.mark.parametrize(
    "changes",
    [
        {"running": False},
        {"half_restored": True},
        {"processes": []},
        {"streams": None, "nats": "away"},
        {"schema": None, "database": "away"},
        {"modes": {"a": 0o644}},
        {"backup": None},
        {"listening": []},
        {"clock_set": False},
        {"nats_memory_limit": 1},
    ],
)
def test_for_all_that_is_not_well_there_is_a_remedy(changes: dict[str, Any]) -> None:
    ill = [each for each in checks.findings(WELL._replace(**changes), NOW) if each.state != "ok"]
    assert ill
    assert all(each.remedy for each in ill)


def test_a_stack_that_is_down_is_told_and_what_it_alone_can_tell_is_left_out() -> None:
    said = found(running=False, processes=[], streams=None, schema=None)
    assert said["stack"] == ("bad", "nothing runs in h")
    assert {"NATS", "PostgreSQL", "memory"}.isdisjoint(said)
    assert said["disk"][0] == "ok"


def test_who_has_died_and_who_lacks_is_named() -> None:
    processes = [ALL[0]._replace(alive=False), *ALL[1:-1]]
    assert found(processes=processes)["stack"] == ("bad", "nats (1) has died; no gateway runs")


@pytest.mark.parametrize(
    ("requests", "files", "state"),
    [(0.5, 0.5, "ok"), (0.6, 0.0, "note"), (0.79, 0.0, "note"), (0.8, 0.0, "bad"), (0.0, 0.9, "note"), (0.0, 0.89, "ok")],
)
def test_streams_that_fill_are_told_before_nothing_is_admitted(requests: float, files: float, state: str) -> None:
    streams = [Stream("REQUESTS", int(requests * 1000), 1000), Stream("OBJ_ws_files", int(files * 1000), 1000)]
    assert found(streams=streams)["NATS"][0] == state


def test_a_stream_without_a_limit_is_never_full() -> None:
    assert found(streams=[Stream("REQUESTS", 10**12, 0)])["NATS"] == ("ok", "it answers")


@pytest.mark.parametrize(("schema", "state"), [(10, "note"), (11, "ok"), (12, "bad")])
def test_the_schema_is_of_this_release(schema: int, state: str) -> None:
    assert found(schema=schema)["PostgreSQL"][0] == state


@pytest.mark.parametrize(
    ("free", "state"), [(17 * GIB, "ok"), (16 * GIB, "ok"), (15 * GIB, "note"), (GIB, "note"), (GIB - 1, "bad")]
)
def test_the_disk_has_room_for_what_the_streams_may_become(free: int, state: str) -> None:
    assert found(volumes=[Volume("NATS", "h", free)])["disk"][0] == state


def test_postgresql_elsewhere_need_not_have_room_for_streams() -> None:
    volumes = [Volume("NATS", "h", 100 * GIB), Volume("PostgreSQL", "/var", 2 * GIB)]
    assert found(volumes=volumes)["disk"][0] == "ok"
    assert found(volumes=[volumes[0], volumes[1]._replace(free=0)])["disk"][0] == "bad"


@pytest.mark.parametrize(
    ("files", "limit", "state"), [(20, 4096, "ok"), (20, 1024, "note"), (800, 1000, "bad"), (3300, 4096, "bad")]
)
def test_files_that_may_be_open_are_enough(files: int, limit: int, state: str) -> None:
    processes = [*ALL[:-1], ALL[-1]._replace(files=files, files_limit=limit)]
    said = found(processes=processes)["open files"]
    assert (said[0], "gateway" in said[1] or state == "ok") == (state, True)


def test_processes_of_somebody_else_cannot_be_looked_into() -> None:
    assert found(processes=[each._replace(files=None, memory=None) for each in ALL])["open files"][0] == "note"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o755])
def test_secrets_that_others_can_read_are_bad(mode: int) -> None:
    assert found(modes={"h/state.json": mode, "h/nats": 0o700})["secrets"] == ("bad", "others can read h/state.json")


@pytest.mark.parametrize(
    ("addresses", "said"),
    [(["127.0.0.1"], "for this machine alone"), (["::1"], "for this machine alone"), (["0.0.0.0"], "on 0.0.0.0")],
)
def test_who_can_reach_the_port_is_told(addresses: Sequence[str], said: str) -> None:
    assert said in found(listening=addresses)["port"][1]


@pytest.mark.parametrize(
    ("hours", "there", "state"), [(1, True, "ok"), (168, True, "ok"), (169, True, "note"), (1, False, "note")]
)
def test_a_backup_that_is_old_or_gone_is_worth_a_word(hours: int, there: bool, state: str) -> None:
    assert found(backup=Backup(NOW - timedelta(hours=hours), "b", there))["backup"][0] == state


@pytest.mark.parametrize(("days", "said"), [(0.01, "14 min"), (0.5, "12 h"), (1.9, "46 h"), (3.2, "3 days"), (-1, "0 min")])
def test_ages_are_told_in_what_people_count_in(days: float, said: str) -> None:
    assert checks.age(days) == said


def test_one_line_is_for_status() -> None:
    assert checks.line(WELL, NOW) == "6 processes, 6.0 GiB, 100.0 GiB free for NATS, backup 8 h ago"
    down = WELL._replace(running=False, processes=[], backup=None)
    assert checks.line(down, NOW) == "the stack is down, 100.0 GiB free for NATS, no backup"


def test_a_damaged_home_is_a_finding_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{")
    (only,) = machine.findings(tmp_path)
    assert (only.check, only.state) == ("stack", "bad")
    assert "cannot be read as JSON" in only.told


def test_a_home_in_which_nothing_runs_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text('{"url": "http://127.0.0.1:1"}')
    (tmp_path / "credentials.json").chmod(0o644)
    (tmp_path / "last-backup.json").write_text('{"made_at": "2020-01-01T00:00:00+00:00", "file": "/nowhere"}')
    said = {each.check: each.state for each in machine.findings(tmp_path)}
    assert (said["stack"], said["secrets"], said["backup"]) == ("bad", "bad", "note")
