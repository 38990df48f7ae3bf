import json

import pytest

from bench import measured
from bench.load import summary
from bench.measured import Run


def run(side: str, per_s: float, *, sync: str = "always", clients: int = 50, cpu: float = 1.0) -> Run:
    return Run(side, sync, clients, per_s, 1000 / per_s, 2000 / per_s, {"gateway": cpu})


def test_a_row_has_the_medians_of_both_sides_and_their_ratio() -> None:
    runs = [run("bare", 900), run("product", 500, cpu=2), run("product", 700, cpu=4), run("bare", 1100)]
    (row,) = measured.rows(runs)
    assert (row.bare.per_s, row.product.per_s, row.ratio) == (1000, 600, 0.6)
    assert row.product.cpu_s == {"gateway": 3}


def test_loops_of_another_kind_are_kept_apart() -> None:
    runs = [
        run(side, per_s, sync=sync, clients=clients)
        for sync in ("always", "default")
        for clients in (1, 50)
        for side, per_s in (("bare", 100), ("product", 80))
    ]
    loops = [(row.sync, row.clients) for row in measured.rows(runs)]
    assert loops == [("always", 1), ("always", 50), ("default", 1), ("default", 50)]


@pytest.mark.parametrize(("clients", "per_s", "slow"), [(50, 49, True), (50, 50, False), (1, 10, False)])
def test_only_many_clients_decide_whether_it_is_too_slow(clients: int, per_s: float, slow: bool) -> None:
    rows = measured.rows([run("bare", 100, clients=clients), run("product", per_s, clients=clients)])
    assert bool(measured.too_slow(rows, 0.5)) is slow


def test_the_table_shows_both_sides_and_the_ratio() -> None:
    table = measured.table(measured.rows([run("bare", 1000), run("product", 600)]))
    assert "1000.0" in table
    assert "600.0" in table
    assert "0.60" in table
    assert "gateway 1.0" in table


def test_the_report_is_json_with_every_run() -> None:
    runs = [run("bare", 1000), run("product", 600)]
    report = json.loads(json.dumps(measured.report(runs, measured.rows(runs), measured.first_chunk([4_000_000]))))
    assert report["first_chunk"] == {"requests": 1, "p50_ms": 4.0, "p95_ms": 4.0}
    assert report["rows"][0]["ratio"] == 0.6
    assert [each["side"] for each in report["runs"]] == ["bare", "product"]


def test_a_loop_is_summed_up_in_milliseconds() -> None:
    latencies = [number / 1000 for number in range(100, 0, -1)]
    assert summary(1, latencies, 2.0) == {"clients": 1, "done": 100, "per_s": 50.0, "p50_ms": 51.0, "p99_ms": 100.0}


def test_first_chunks_are_summed_up_in_milliseconds_and_shown_beside_their_aim() -> None:
    first = measured.first_chunk([number * 1_000_000 for number in range(100, 0, -1)])
    assert (first.requests, first.p50_ms, first.p95_ms) == (100, 51.0, 96.0)
    assert "p50 51.00 ms (aim: 10)" in measured.chunk_line(first, 10.0)
