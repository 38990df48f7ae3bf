"""`make bench`: the product beside the bare pipeline, in the same run, with and without fsync on each write.

Both sides take turns, so that what else happens on the machine hits both; each starts afresh each time. On a slow machine
there are fewer rounds, so that it ends in time. At last, of the product alone: how long a first chunk takes to its reader
(first_chunk.py).

Exit status 1: with many clients the product does less than half of what the bare pipeline does. 2: it could not be measured.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from bench import bare_side, first_chunk, measured, product_side
from bench.measured import FirstChunk, Run
from examples.stack import ProgramFailed, open_directory
from services.local.errors import LocalError

CLIENTS = (1, 50)
SECONDS = 6.0
"""What the bare pipeline's own script takes for each loop."""
BUDGET_S = 220.0
"""No round is begun that would end later than this, at the pace of those before it."""

Side = Callable[[Path, str], Coroutine[Any, Any, list[Run]]]


@click.command()
@click.option("--quick", is_flag=True, help="One round, and only with fsync on each write.")
@click.option("--rounds", type=click.IntRange(1, 10), default=2, show_default=True, help="Rounds of each side.")
@click.option("--least", default=0.5, show_default=True, metavar="RATIO", help="What the product must reach.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all numbers there.")
def main(quick: bool, rounds: int, least: float, json_file: Path | None) -> None:
    """Measure the product beside the bare pipeline: requests/s, latency, and CPU seconds by process; then how long a first
    chunk takes to its reader."""
    if reason := bare_side.why_not():
        _end(2, reason)
    began = time.monotonic()
    try:
        runs, first = asyncio.run(_measure(1 if quick else rounds, ("always",) if quick else ("always", "default")))
    except (ProgramFailed, LocalError) as error:
        _end(2, str(error))
    except (KeyboardInterrupt, asyncio.CancelledError):
        _end(130, "stopped; nothing is left running")
    rows = measured.rows(runs)
    click.echo(f"\nMedians of {len(runs) // len(rows) // 2} rounds, measured in {time.monotonic() - began:.0f} s:\n")
    click.echo(measured.table(rows))
    click.echo("\n" + measured.chunk_line(first, first_chunk.TARGET_MS))
    if json_file is not None:
        json_file.write_text(json.dumps(measured.report(runs, rows, first), indent=2) + "\n")
    slow = measured.too_slow(rows, least)
    for row in slow:
        click.echo(f"bench: {row.ratio:.2f} × the bare pipeline (fsync {row.sync}); needed: {least:g}", err=True)
    raise SystemExit(1 if slow else 0)


async def _measure(rounds: int, syncs: tuple[str, ...]) -> tuple[list[Run], FirstChunk]:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    sides: list[Side] = [
        lambda directory, sync: bare_side.run(directory, sync, CLIENTS),
        lambda directory, sync: product_side.run(directory, sync, CLIENTS, SECONDS),
    ]
    runs: list[Run] = []
    began = time.monotonic()
    for number in range(rounds):
        if (time.monotonic() - began) * (number + 1) > BUDGET_S * max(number, 1):
            break
        for sync in syncs:
            for side in sides if number % 2 == 0 else reversed(sides):
                async with open_directory("spaces-bench-") as directory:
                    for run in await side(directory, sync):
                        _tell(number + 1, rounds, run)
                        runs.append(run)
    async with open_directory("spaces-bench-") as directory:
        return runs, await first_chunk.run(directory)


def _tell(number: int, rounds: int, run: Run) -> None:
    loop = f"{run.side:<7} fsync {run.sync:<7} {run.clients:>2} clients"
    click.echo(
        f"round {number}/{rounds}  {loop}  {run.per_s:8.1f} requests/s  p50 {run.p50_ms:.2f} ms  p99 {run.p99_ms:.2f} ms"
    )


def _end(status: int, reason: str) -> None:
    print(f"bench: {reason}", file=sys.stderr)
    raise SystemExit(status)


if __name__ == "__main__":
    main(prog_name="bench")
