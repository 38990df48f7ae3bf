"""What the benchmark measures, and what it makes of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import msgspec


class Run(msgspec.Struct, frozen=True):
    """One closed loop: requests/s, latencies in milliseconds, and CPU seconds by process while it ran."""

    side: str
    sync: str
    clients: int
    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_s: dict[str, float]


class Row(msgspec.Struct, frozen=True):
    """The medians of all rounds of one loop. `ratio` is the product's requests/s by the bare pipeline's."""

    sync: str
    clients: int
    bare: Run
    product: Run
    ratio: float


class FirstChunk(msgspec.Struct, frozen=True):
    """How long first chunks took from the handler to the reader, in milliseconds."""

    requests: int
    p50_ms: float
    p95_ms: float


def first_chunk(taken_ns: Sequence[int]) -> FirstChunk:
    """The quantiles of these times, in nanoseconds."""
    ordered = sorted(taken_ns)

    def quantile_ms(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1e6, 2)

    return FirstChunk(len(ordered), quantile_ms(0.5), quantile_ms(0.95))


def rows(runs: Sequence[Run]) -> list[Row]:
    """One row for each loop that both sides have run."""
    loops = dict.fromkeys((run.sync, run.clients) for run in runs)
    result = []
    for sync, clients in loops:
        bare, product = (_median(_of(runs, side, sync, clients)) for side in ("bare", "product"))
        result.append(Row(sync, clients, bare, product, round(product.per_s / bare.per_s, 3)))
    return result


def table(result: Iterable[Row]) -> str:
    """The rows for people."""
    head = f"{'fsync':<8} {'clients':>7}  {'':<8} {'requests/s':>10} {'p50 ms':>8} {'p99 ms':>8}  CPU s by process"
    lines = [head, "-" * (len(head) + 40)]
    for row in result:
        for run in (row.bare, row.product):
            cpu = "  ".join(f"{name} {seconds:.1f}" for name, seconds in run.cpu_s.items() if seconds >= 0.05)
            start = f"{row.sync:<8} {row.clients:>7}  {run.side:<8}"
            lines.append(f"{start} {run.per_s:>10.1f} {run.p50_ms:>8.2f} {run.p99_ms:>8.2f}  {cpu}")
        lines.append(f"{'':<8} {'':>7}  {'ratio':<8} {row.ratio:>10.2f}")
    return "\n".join(lines)


def too_slow(result: Iterable[Row], least: float) -> list[Row]:
    """The rows with many clients whose ratio is below the least."""
    return [row for row in result if row.clients > 1 and row.ratio < least]


def chunk_line(first: FirstChunk, target_ms: float) -> str:
    """First chunks for people, beside what they should take."""
    times = f"p50 {first.p50_ms:.2f} ms (aim: {target_ms:g})  p95 {first.p95_ms:.2f} ms"
    return f"first chunk, from the handler's yield to the reader: {times}  {first.requests} requests"


def report(runs: Sequence[Run], result: Sequence[Row], first: FirstChunk) -> dict[str, Any]:
    """All of it, for a JSON file."""
    return msgspec.to_builtins({"rows": result, "first_chunk": first, "runs": runs})  # type: ignore[no-any-return]


def _of(runs: Iterable[Run], side: str, sync: str, clients: int) -> list[Run]:
    return [run for run in runs if (run.side, run.sync, run.clients) == (side, sync, clients)]


def _median(runs: Sequence[Run]) -> Run:
    names = dict.fromkeys(name for run in runs for name in run.cpu_s)
    return Run(
        side=runs[0].side,
        sync=runs[0].sync,
        clients=runs[0].clients,
        per_s=round(median(run.per_s for run in runs), 1),
        p50_ms=round(median(run.p50_ms for run in runs), 2),
        p99_ms=round(median(run.p99_ms for run in runs), 2),
        cpu_s={name: round(median(run.cpu_s.get(name, 0.0) for run in runs), 2) for name in names},
    )
