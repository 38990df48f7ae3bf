"""What an agent counts, as Prometheus reads it."""

import socket
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from spaces_agent.errors import ConfigError
from spaces_agent.measures import Measures, text
from spaces_agent.metrics import of_spool, serving_metrics
from tests.support.metrics import Shown, read_metrics


def test_runs_are_counted_by_how_they_ended_and_how_long_they_took() -> None:
    measures = Measures(slots=2)
    measures.has_ended("succeeded", 0.02)
    measures.has_ended("failed", 5000.0)
    measures.has_ended("stopped")
    shown = Shown(text(measures.families()))
    assert [shown("spaces_agent_results_total", status=status) for status in ("succeeded", "failed", "stopped")] == [1, 1, 1]
    assert shown("spaces_agent_run_seconds_count") == 2
    assert shown("spaces_agent_run_seconds_sum") == 5000.02
    below = [shown("spaces_agent_run_seconds_bucket", le=le) for le in ("0.01", "0.03", "3600.0", "+Inf")]
    assert below == [0, 1, 1, 2]


def test_a_try_to_connect_that_fails_ends_no_connection() -> None:
    measures = Measures(slots=1)
    measures.cut_off()
    measures.welcomed()
    measures.cut_off()
    measures.cut_off()
    assert (measures.connects, measures.disconnects, measures.connected) == (1, 1, False)


def test_the_text_is_what_prometheus_reads() -> None:
    families = {family.name: family.type for family in text_string_to_metric_families(text(Measures(3).families()))}
    assert families["spaces_agent_run_seconds"] == "histogram"
    assert families["spaces_agent_results"] == "counter"


def test_the_spool_is_measured_also_when_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "7.json").write_bytes(b"123")
    shown = Shown(text(of_spool(tmp_path)))
    assert (shown("spaces_agent_spool_files"), shown("spaces_agent_spool_bytes")) == (1, 3)
    assert Shown(text(of_spool(tmp_path / "none")))("spaces_agent_spool_files") == 0


def test_only_metrics_are_served_and_only_until_the_end() -> None:
    with serving_metrics("127.0.0.1", 0, Measures(4).families) as port:
        shown = read_metrics(f"127.0.0.1:{port}")
        assert shown("spaces_agent_slots") == 4
        assert shown("process_cpu_seconds_total") > 0
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(b"GET /secrets HTTP/1.0\r\n\r\n")
            assert sock.makefile("rb").readline() == b"HTTP/1.0 404 Not Found\r\n"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port))


def test_a_port_that_is_taken_is_an_error_of_the_configuration() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=str(port)), serving_metrics("127.0.0.1", port, list):
            pass
