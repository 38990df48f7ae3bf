"""What the system says of processes."""

import contextlib
from pathlib import Path


def children(pid: int | str) -> dict[int, bytes]:
    """The processes that a process has started and that have not ended, with their command lines: empty for one that only
    waits to be reaped. What ends meanwhile may be missing."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # also a thread may end
            for child in (task / "children").read_text().split():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    found[int(child)] = Path(f"/proc/{child}/cmdline").read_bytes()
    return found


def dead(pid: int) -> bool:
    """Whether this process has ended; one that only waits to be reaped has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def peak_kib(pid: int) -> int:
    """The most memory that a process has had at a time."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])


def holds_socket(port: int, peer: int) -> bool:
    """Whether some process has the connection of this local port to that of its peer; what only the kernel still has does
    not count."""
    entries = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    ports = [[int(address.rpartition(":")[2], 16) for address in entry[1:3]] for entry in entries]
    return any(pair == [port, peer] and entry[9] != "0" for pair, entry in zip(ports, entries, strict=True))
