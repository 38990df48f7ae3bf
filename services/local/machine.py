"""Looking at a home and at the machine that it is on, for `spaces doctor` and `spaces status`. Nothing is changed."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from services.commands import machine_checks
from services.commands.checks import Finding
from services.commands.machine_checks import Backup, Facts, Process, Stream, Volume
from services.contracts import subjects
from services.history.database import connect
from services.history.migrations import newest
from services.local.child import exists
from services.local.database import NoDatabase, database_server
from services.local.errors import HomeInUse, LocalError, NotRunning
from services.local.home import LAST_BACKUP, RESTORING, Home, read_json
from services.local.leftovers import nats_directories
from services.local.servers import running_nats_url
from services.runtime import bus
from services.runtime.errors import SpacesError
from services.runtime.jetstream import stream_info

_TIMEOUT_S = 5.0
_SECRETS = ("credentials.json", "state.json", "logs")
_STREAMS = (subjects.REQUESTS, subjects.OUTPUT, subjects.FILES)


def findings(path: Path) -> Iterator[Finding]:
    """What is well and what is not with the stack in a home."""
    try:
        seen = facts(path)
    except (LocalError, OSError) as error:
        yield machine_checks.unreadable(str(path), str(error))
        return
    yield from machine_checks.findings(seen, datetime.now(UTC))


def line(path: Path) -> str:
    """How the stack in a home is, in one line."""
    try:
        return machine_checks.line(facts(path), datetime.now(UTC))
    except (LocalError, OSError) as error:
        return str(error)


def facts(path: Path) -> Facts:
    """What there is to see."""
    home = Home(path.resolve())
    running = _running(home)
    processes = _processes(home) if running else []
    streams, nats = asyncio.run(_streams(home)) if running else (None, "it does not run")
    schema, database = asyncio.run(_schema(home)) if running else (None, "it does not run")
    port = _port(home)
    return Facts(
        home=str(path),
        running=running,
        half_restored=(home.path / RESTORING).exists(),
        processes=processes,
        modes=_modes(home, path),
        volumes=_volumes(home, path),
        streams=streams,
        nats=nats,
        nats_memory_limit=_memory_limit([each.pid for each in processes if each.kind == "nats"]),
        schema=schema,
        newest_schema=newest(),
        database=database,
        clock_set=_clock_set(),
        port=port,
        listening=_listening(port),
        backup=_backup(home),
    )


def _running(home: Home) -> bool:
    try:
        with home.lock():
            return False
    except HomeInUse:
        return True
    except LocalError:  # of somebody else's: then what we see of its processes tells
        return bool(_processes(home))


def _processes(home: Home) -> list[Process]:
    kinds: dict[str, list[int]] = read_json(home.path / "pids.json") or {}
    return [_process(kind, pid) for kind, pids in kinds.items() for pid in pids]


def _process(kind: str, pid: int) -> Process:
    proc = Path("/proc") / str(pid)
    if not Path("/proc/self").exists():
        return Process(kind, pid, alive=exists(pid))
    if not _lives(proc):
        return Process(kind, pid, alive=False)
    files = limit = memory = None
    with contextlib.suppress(OSError):
        memory = int((proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        said = next(each for each in (proc / "limits").read_text().splitlines() if each.startswith("Max open files"))
        limit = int(said.split()[3])
        files = len(os.listdir(proc / "fd"))
    return Process(kind, pid, alive=True, files=files, files_limit=limit, memory=memory)


def _lives(proc: Path) -> bool:
    """Whether the process is there, and not only waits to be reaped."""
    try:
        return (proc / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _memory_limit(pids: list[int]) -> int | None:
    """What nats-servers were told, in bytes; None when it is not to be seen."""
    limits = []
    for pid in pids:
        with contextlib.suppress(OSError, ValueError):
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            limits += [int(each.removeprefix(b"GOMEMLIMIT=")) for each in variables if each.startswith(b"GOMEMLIMIT=")]
    return sum(limits) or None


async def _streams(home: Home) -> tuple[list[Stream] | None, str]:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            nc = await bus.connect(running_nats_url(home, "operator"), "operator", "doctor")
        try:
            infos = {name: await stream_info(nc, name, _TIMEOUT_S) for name in _STREAMS}
        finally:
            await nc.close()
    except NotRunning:
        return None, "it is only just starting, or stopping"
    except Exception as error:  # the client's own errors are of many kinds
        return None, f"it does not answer: {str(error) or type(error).__name__}"
    return [Stream(name, info.state.bytes, max(0, info.config.max_bytes)) for name, info in infos.items()], ""


async def _schema(home: Home) -> tuple[int | None, str]:
    port = home.known_port("postgres")
    try:
        if port is None:
            raise NoDatabase(home.path)
        connection = await connect(database_server(home, port).url, _TIMEOUT_S)
        try:
            return await connection.fetchval("SELECT max(version) FROM schema_migrations"), "it has no schema"
        finally:
            await connection.close()
    except (LocalError, SpacesError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return None, f"it does not answer: {str(error) or type(error).__name__}"


def _volumes(home: Home, shown: Path) -> list[Volume]:
    """The file systems of the home and of PostgreSQL's data, once when it is one."""
    location = home.path / "postgres" / "location"
    elsewhere = Path(location.read_text().strip()) if location.exists() else home.path
    if not elsewhere.exists() or elsewhere.stat().st_dev == home.path.stat().st_dev:
        return [Volume("NATS, PostgreSQL, logs", str(shown), shutil.disk_usage(home.path).free)]
    return [
        Volume("NATS, logs", str(shown), shutil.disk_usage(home.path).free),
        Volume("PostgreSQL", str(elsewhere), shutil.disk_usage(elsewhere).free),
    ]


def _modes(home: Home, shown: Path) -> dict[str, int]:
    """The modes of what holds secrets. The directories of three NATS servers are in one that holds nothing else."""
    streams = [each for each in nats_directories(home) if (each / "jetstream").exists()]
    there = [each for each in (*(home.path / name for name in _SECRETS), *streams) if each.exists()]
    return {str(shown / each.relative_to(home.path)): each.stat().st_mode & 0o777 for each in there}


def _clock_set() -> bool | None:
    if shutil.which("timedatectl") is None:
        return None
    asked = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(said)


def _port(home: Home) -> int:
    """The first gateway's."""
    return urlsplit(str((home.credentials() or {}).get("url", ""))).port or 0


def _listening(port: int) -> list[str]:
    """The addresses on which this machine listens on the port, as Linux shows them."""
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for row in Path(table).read_text().splitlines()[1:]:
                fields = row.split()
                address, _, at = fields[1].partition(":")
                if fields[3] == "0A" and int(at, 16) == port:
                    found.append(_address(address))
    return found


def _address(shown: str) -> str:
    """Groups of four bytes, each in this machine's order."""
    groups = [bytes.fromhex(shown[at : at + 8])[::-1] for at in range(0, len(shown), 8)]
    return str(ip_address(b"".join(groups)))


def _backup(home: Home) -> Backup | None:
    try:
        said = read_json(home.path / LAST_BACKUP)
        if said is None:
            return None
        return Backup(datetime.fromisoformat(said["made_at"]), str(said["file"]), Path(said["file"]).exists())
    except (LocalError, KeyError, ValueError, json.JSONDecodeError):
        return None
