"""Verify: is the log whole, and do the read tables say what the log says?

Reads one snapshot, so it is right with the stack up. Nothing is changed.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NamedTuple

from services.history.chains import Logged, difference, files_difference, refold_chain
from services.history.database import Connection, connect
from services.history.reading import Progress, chains, check_migrated, silent
from services.history.recovery_log import latest_recovery
from services.history.requests import Row
from services.history.statements import sql

_SHOWN = 100


@dataclass(slots=True)
class Report:
    """What was looked at, and what was found: the first 100 findings, one sentence each. `found` counts those too that are
    not shown; of one kind of gap, conflict or lost payload it counts at most 100."""

    events: int = 0
    requests: int = 0
    found: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return self.found == 0

    def summary(self) -> str:
        """The report for a person: one line, and one more for each finding."""
        looked_at = f"{self.events} events of {self.requests} requests"
        if self.clean:
            return f"{looked_at}: clean"
        more = f"  ... and {self.found - len(self.findings)} more" if self.found > len(self.findings) else ""
        lines = [f"{looked_at}: {self.found} findings", *(f"  {finding}" for finding in self.findings), more]
        return "\n".join(line for line in lines if line)

    def add(self, finding: str) -> None:
        """One more finding."""
        self.found += 1
        if len(self.findings) < _SHOWN:
            self.findings.append(finding)


async def verify(database_url: str, progress: Progress = silent) -> Report:
    """Refold every chain of the log and compare; check chains, gaps, payloads and conflicts. Raises NotMigrated, OSError,
    asyncpg.PostgresError."""
    report = Report()
    connection = await connect(database_url, command_timeout_s=None)
    try:
        await check_migrated(connection)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await _check_log(connection, report)
            await _check_epochs(connection, report)
            await _check_payloads(connection, report)
            await _check_requests(connection, report, progress)
    finally:
        await connection.close()
    return report


async def _check_log(connection: Connection, report: Report) -> None:
    for row in await connection.fetch(sql("log_ends")):
        begins, ends = row["begins"], row["ends"]
        if begins is None:
            begins, ends = row["first_seq"], row["first_seq"] - 1
        if begins != row["first_seq"]:
            report.add(f"gap: {row['stream']} should begin at {row['first_seq']} but begins at {begins}")
        if ends != row["seq"]:
            report.add(f"gap: {row['stream']} should end at {row['seq']} but ends at {ends}")
    for row in await connection.fetch(sql("log_gaps"), _SHOWN):
        report.add(f"gap: {row['stream']} of epoch {row['epoch']} has nothing between {row['before']} and {row['seq']}")
    for row in await connection.fetch(sql("conflicts"), _SHOWN):
        report.add(f"conflict: {row['stream']} {row['seq']} of epoch {row['epoch']}: {row['reason']}")


async def _check_epochs(connection: Connection, report: Report) -> None:
    latest = await latest_recovery(connection)
    if latest is not None and not latest.complete:
        report.add(f"unfinished recovery: of epoch {latest.epoch}")
    for row in await connection.fetch(sql("stranded"), _SHOWN):
        report.add(f"stranded request: {row['rid']} is open in epoch {row['epoch']}, which has ended")


async def _check_payloads(connection: Connection, report: Report) -> None:
    for row in await connection.fetch(sql("lost_payloads"), _SHOWN):
        report.add(f"lost payload: of the event at {row['seq']} of request {row['rid']}")
    for row in await connection.fetch(sql("damaged_payloads"), _SHOWN):
        report.add(f"damaged payload: {row['sha256']}")


async def _check_requests(connection: Connection, report: Report, progress: Progress) -> None:
    """Walk log and read tables side by side, all by request id."""
    all_found = _all_found(connection)
    found = await anext(all_found, None)
    async for chain in chains(connection, progress):
        rid = chain[0].rid
        while found is not None and found.rid < rid:
            report.add(f"wrong row: request {found.rid} has no events")
            found = await anext(all_found, None)
        there = found if found is not None and found.rid == rid else _Found(rid, None, [])
        for finding in _findings(chain, there):
            report.add(f"{finding} (request {rid})")
        report.events += len(chain)
        report.requests += 1
        if there is found:
            found = await anext(all_found, None)
    while found is not None:
        report.add(f"wrong row: request {found.rid} has no events")
        found = await anext(all_found, None)


class _Found(NamedTuple):
    """What the read tables have of a request."""

    rid: str
    row: Row | None
    files: list[str]


def _findings(chain: list[Logged], found: _Found) -> list[str]:
    expected, faults = refold_chain(chain)
    differences = difference(expected, found.row), files_difference(expected, found.files)
    return [*faults, *(each for each in differences if each is not None)]


async def _all_found(connection: Connection) -> AsyncIterator[_Found]:
    async for record in connection.cursor(sql("all_requests"), prefetch=1000):
        *columns, files = record
        row = Row(*columns)
        yield _Found(row.rid, None if record["epoch"] is None else row, files)
