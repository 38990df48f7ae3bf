"""What the service image runs by which argument."""

import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from services.__main__ import PROBE, SERVICES
from services.cli import main as spaces
from services.probe import probe

ROOT = Path(__file__).resolve().parents[2]


def test_every_service_has_a_command_and_none_hides_one_of_spaces() -> None:
    assert {path.parent.name for path in (ROOT / "services").glob("*/main.py")} == set(SERVICES)
    assert not {*SERVICES, PROBE} & set(spaces.commands)


def test_what_is_no_service_is_a_command_of_spaces() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "services", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.startswith("spaces, version ")


@pytest.mark.parametrize(("status", "path", "code"), [(200, "/readyz", 0), (503, "/readyz", 1), (200, "/healthz", 0)])
def test_a_probe_tells_whether_a_service_is_ready(
    status: int, path: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"waiting for nats")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Service) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        assert probe([str(server.server_port), *([] if path == "/readyz" else [path])]) == code
        thread.join()
    assert asked == [path]
    assert ("waiting for nats" in capsys.readouterr().err) == (code == 1)


def test_a_probe_of_nobody_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port
    assert probe([str(port)]) == 1
    assert f"on port {port}" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["http://x"], ["1", "healthz"], ["1", "/a", "b"]])
def test_a_probe_of_nonsense_is_told_how(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert probe(arguments) == 2
    assert "usage" in capsys.readouterr().err
