"""What `spaces doctor` makes of the home of a stack on this machine, and of the machine. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from services.commands.checks import Finding

KINDS = ("nats", "postgres", "history", "registry", "dispatcher", "gateway")
"""Without one of each nothing is done."""
LEAST_FREE = 1 << 30
"""With less on the disk something is about to stop."""
ADMITTING, NEARLY = 0.8, 0.6
"""So full a stream of requests may be that more are admitted, and so full that it is worth a word."""
FILES_NEARLY = 0.9
OPEN_FILES = 4096
"""With fewer a gateway runs out with some thousand agents and streams."""
NEARLY_ALL_FILES = 0.8
BACKUP_DAYS = 7
_GIB = 1 << 30


class Process(NamedTuple):
    """A process of the stack. `files` are open of at most `files_limit`, None when that cannot be seen; `memory`: bytes."""

    kind: str
    pid: int
    alive: bool
    files: int | None = None
    files_limit: int | None = None
    memory: int | None = None


class Volume(NamedTuple):
    """A file system: what is on it, and how many bytes are free."""

    holds: str
    path: str
    free: int


class Stream(NamedTuple):
    """A stream's bytes, and how many it may have (0: any number)."""

    name: str
    bytes: int
    limit: int


class Backup(NamedTuple):
    """The last backup of the home, and whether its file is where it was written."""

    made_at: datetime
    file: str
    there: bool


class Facts(NamedTuple):
    """What was seen. `streams` None: NATS did not answer, `nats` says why; `schema` None: PostgreSQL did not, `database`
    says why. `clock_set`: whether somebody sets the clock, None when nobody knows. `listening`: on which addresses the
    gateway's port is open."""

    home: str
    running: bool
    half_restored: bool
    processes: Sequence[Process]
    modes: Mapping[str, int]
    volumes: Sequence[Volume]
    streams: Sequence[Stream] | None
    nats: str
    nats_memory_limit: int | None
    schema: int | None
    newest_schema: int
    database: str
    clock_set: bool | None
    port: int
    listening: Sequence[str]
    backup: Backup | None


def findings(facts: Facts, now: datetime) -> Iterator[Finding]:
    """All of them, one after the other; what only a stack that runs can tell is left out when none does."""
    yield stack(facts.home, facts.running, facts.half_restored, facts.processes)
    if facts.running:
        yield nats(facts.nats, facts.streams)
        yield database(facts.database, facts.schema, facts.newest_schema)
        yield memory(facts.processes, facts.nats_memory_limit)
        yield open_files(facts.processes)
        yield listening(facts.port, facts.listening)
    yield disk(facts.volumes, facts.streams)
    yield secrets(facts.modes)
    yield clock(facts.clock_set)
    yield backup(facts.backup, facts.home, now)


def unreadable(home: str, why: str) -> Finding:
    """The home could not be looked at."""
    return Finding("stack", "bad", f"{home} could not be looked at: {why}", "Run it as the user who runs `spaces up`.")


def stack(home: str, running: bool, half_restored: bool, processes: Sequence[Process]) -> Finding:
    """Whether everything runs that should."""
    if half_restored:
        return Finding("stack", "bad", f"a restore in {home} was cut off", f"`spaces restore FILE --home {home}` again.")
    if not running:
        return Finding("stack", "bad", f"nothing runs in {home}", f"Start it: `spaces up --home {home}`.")
    dead = [f"{each.kind} ({each.pid})" for each in processes if not each.alive]
    lacking = [kind for kind in KINDS if not any(each.kind == kind for each in processes)]
    if not dead and not lacking:
        return Finding("stack", "ok", f"{len(processes)} processes run in {home}")
    told = "; ".join([*(f"{each} has died" for each in dead), *(f"no {kind} runs" for kind in lacking)])
    remedy = f"`spaces up` starts again what dies. If that goes on, see {home}/logs, and up.log there."
    return Finding("stack", "bad", told, remedy)


def nats(problem: str, streams: Sequence[Stream] | None) -> Finding:
    """Whether NATS answers, and how full its streams are."""
    if streams is None:
        return Finding("NATS", "bad", problem, "See nats-1.log and up.log in the home's logs. Is its disk full?")
    filled = {each.name: each.bytes / each.limit for each in streams if each.limit > 0}
    told = ", ".join(f"{name} {part:.0%} full" for name, part in filled.items())
    requests, files = filled.get("REQUESTS", 0.0), filled.get("OBJ_ws_files", 0.0)
    if requests >= ADMITTING:
        remedy = "Gateways admit nothing. Do open requests wait for agents? A larger WS_STREAM_MAX_BYTES makes room."
        return Finding("NATS", "bad", told, remedy)
    if requests >= NEARLY:
        return Finding("NATS", "note", told, "From 80 % on gateways admit nothing. Do requests wait for agents?")
    if files >= FILES_NEARLY:
        remedy = "Soon no files are taken: let spaces keep data for less long, or raise WS_FILES_MAX_BYTES."
        return Finding("NATS", "note", told, remedy)
    return Finding("NATS", "ok", f"it answers; {told}" if told else "it answers")


def database(problem: str, schema: int | None, newest: int) -> Finding:
    """Whether PostgreSQL answers, with a schema that this release knows."""
    if schema is None:
        return Finding("PostgreSQL", "bad", problem, "See postgres-1.log and up.log in the home's logs. Is its disk full?")
    if schema > newest:
        told = f"its schema is version {schema}, this `spaces` knows {newest}"
        return Finding("PostgreSQL", "bad", told, "The stack was run by a later release: use that one.")
    if schema < newest:
        told = f"its schema is version {schema}, this `spaces` has {newest}"
        return Finding(
            "PostgreSQL", "note", told, "The stack that runs is of an earlier release: stop it and start it again."
        )
    return Finding("PostgreSQL", "ok", f"it answers; schema version {schema}")


def memory(processes: Sequence[Process], limit: int | None) -> Finding:
    """What nats-server takes of what it was told to make do with."""
    taken = sum(each.memory or 0 for each in processes if each.kind == "nats")
    all_taken = sum(each.memory or 0 for each in processes)
    told = f"{_size(all_taken)} in all, nats-server {_size(taken)}"
    if limit is None:
        return Finding("memory", "ok", told)
    told += f" of {_size(limit)}"
    if taken > limit:
        remedy = "It holds many requests or large files. A larger GOMEMLIMIT for `spaces up`, if the machine has the memory."
        return Finding("memory", "note", told, remedy)
    return Finding("memory", "ok", told)


def open_files(processes: Sequence[Process]) -> Finding:
    """Whether gateways and servers may open as many files and sockets as they need."""
    seen = [each for each in processes if each.alive and each.files is not None and each.files_limit is not None]
    if not seen:
        return Finding("open files", "note", "not to be seen by you", "Run it as the user who runs `spaces up`.")
    tightest = max(seen, key=lambda each: (each.files or 0) / (each.files_limit or 1))
    told = f"{tightest.kind} has {tightest.files} of at most {tightest.files_limit} open"
    remedy = "Every agent and stream takes one. `ulimit -n 65536` before `spaces up`, LimitNOFILE=65536 in its systemd unit."
    if (tightest.files or 0) >= NEARLY_ALL_FILES * (tightest.files_limit or 1):
        return Finding("open files", "bad", told, remedy)
    lowest = min(seen, key=lambda each: each.files_limit or 0)
    if (lowest.files_limit or 0) < OPEN_FILES:
        return Finding("open files", "note", f"{lowest.kind} may have {lowest.files_limit} open", remedy)
    return Finding("open files", "ok", told)


def listening(port: int, addresses: Sequence[str]) -> Finding:
    """Who can reach the gateway."""
    if not addresses:
        remedy = "The gateway is starting, or has died: see gateway-1.log in the home's logs."
        return Finding("port", "bad", f"nobody listens on {port}", remedy)
    if all(address.startswith("127.") or address == "::1" for address in addresses):
        return Finding("port", "ok", f"{port}, for this machine alone: agents elsewhere need a proxy on it, or --host")
    return Finding("port", "ok", f"{port}, on {', '.join(addresses)}")


def disk(volumes: Sequence[Volume], streams: Sequence[Stream] | None) -> Finding:
    """Whether the disks have room for what NATS's streams may still become."""
    growth = sum(max(0, each.limit - each.bytes) for each in streams or () if each.limit > 0)
    told = ", ".join(f"{_size(each.free)} free at {each.path} ({each.holds})" for each in volumes)
    if any(each.free < LEAST_FREE for each in volumes):
        return Finding("disk", "bad", told, "Make room now. When it is full nothing is accepted; docs/operations.md.")
    if any(each.free < growth for each in volumes if "NATS" in each.holds):
        remedy = (
            f"NATS's streams may become {_size(growth)} larger: make room, or start it with lower limits"
            " (WS_FILES_MAX_BYTES, WS_STREAM_MAX_BYTES, WS_OUTPUT_MAX_BYTES)."
        )
        return Finding("disk", "note", told, remedy)
    return Finding("disk", "ok", told)


def secrets(modes: Mapping[str, int]) -> Finding:
    """Whether only the owner can read what holds keys and passwords."""
    open_to_all = [path for path, mode in modes.items() if mode & 0o077]
    if open_to_all:
        told = f"others can read {', '.join(open_to_all)}"
        remedy = f"`chmod go= {' '.join(open_to_all)}`, and have the keys made anew that others may have read."
        return Finding("secrets", "bad", told, remedy)
    return Finding("secrets", "ok", "only their owner can read them")


def clock(is_set: bool | None) -> Finding:
    """Whether somebody sets this machine's clock."""
    if is_set is None:
        return Finding("this clock", "ok", "whether it is set by NTP cannot be seen")
    if is_set:
        return Finding("this clock", "ok", "set by NTP")
    remedy = "`timedatectl set-ntp true`. Deadlines and what is shown go by this clock, and keys and links end by it."
    return Finding("this clock", "note", "nobody sets it", remedy)


def backup(last: Backup | None, home: str, now: datetime) -> Finding:
    """How old the last backup is."""
    remedy = f"`spaces backup FILE --home {home}`, better every night: docs/backup.md."
    if last is None:
        return Finding("backup", "note", "there was never one", remedy)
    days = (now - last.made_at).total_seconds() / 86400
    told = f"{age(days)} ago, {last.file}"
    if not last.there:
        return Finding("backup", "note", f"{told}, which is not there any more", f"Is it in a safe place? Else {remedy}")
    return Finding("backup", "note", told, remedy) if days > BACKUP_DAYS else Finding("backup", "ok", told)


def age(days: float) -> str:
    """How long ago that is, for people."""
    if days < 1 / 24:
        return f"{max(0.0, days) * 1440:.0f} min"
    return f"{days * 24:.0f} h" if days < 2 else f"{days:.0f} days"


def line(facts: Facts, now: datetime) -> str:
    """The stack of this machine in one line."""
    alive = [each for each in facts.processes if each.alive]
    said = [f"{len(alive)} processes" if facts.running else "the stack is down"]
    if facts.running:
        said.append(_size(sum(each.memory or 0 for each in alive)))
    said += [f"{_size(each.free)} free for {each.holds}" for each in facts.volumes]
    days = None if facts.backup is None else (now - facts.backup.made_at).total_seconds() / 86400
    return ", ".join([*said, "no backup" if days is None else f"backup {age(days)} ago"])


def _size(count: int) -> str:
    return f"{count / _GIB:.1f} GiB" if count >= _GIB else f"{count / (1 << 20):.0f} MiB"
