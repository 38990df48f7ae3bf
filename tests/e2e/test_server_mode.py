"""`spaces up` as a service manager runs it."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.local.log_rotation import MAX_BYTES
from tests.support.stack import START_S, STOP_S, eventually, fresh_home, stack_environment

EMAIL, PASSWORD = "ada@example.org", "correct horse"
PUBLIC = "http://spaces.example"


class Server:
    """`spaces up --quiet` on a fresh home."""

    def __init__(self, home: Path, output: Path) -> None:
        self.home, self._output = home, output
        password = home.with_name("password")
        password.write_text(f"{PASSWORD}\n")
        variables = {"WS_ADMIN_EMAIL": EMAIL, "WS_ADMIN_PASSWORD_FILE": str(password), "WS_PUBLIC_URL": PUBLIC}
        command = [sys.executable, "-m", "services.cli", "up", "--quiet", "--no-demo", "--port", "0", "--home", str(home)]
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                env=stack_environment(variables),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._output.read_text()

    def ended(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with fresh_home() as home:
        home.parent.mkdir(exist_ok=True)
        server = Server(home, home.with_name("output"))
        try:
            eventually(lambda: "Ready at" in server.said or server.process.poll() is not None, "it is ready", START_S)
            yield server
        finally:
            if server.process.poll() is None:
                server.ended()


def test_it_says_what_is_worth_knowing_and_no_secret(server: Server) -> None:
    kept = json.loads((server.home / "credentials.json").read_text())
    assert kept["public_url"] == PUBLIC
    assert f"Ready at {PUBLIC}; keys are in {server.home / 'credentials.json'}." in server.said
    assert "Caution: without TLS" in server.said
    secrets = [PASSWORD, kept["admin"]["password"], kept["api_key"], kept["agent_key"]]
    assert not [secret for secret in secrets if secret in server.said]
    assert "online" not in server.said


def test_an_administrator_signs_in_by_the_password_in_a_file(server: Server) -> None:
    kept = json.loads((server.home / "credentials.json").read_text())
    body = {"email": EMAIL, "password": PASSWORD}
    signed = httpx.post(f"{kept['url']}/v1/session", json=body, headers={"Origin": PUBLIC}, timeout=30)
    assert (signed.status_code, signed.json()["user"]["role"]) == (201, "admin")


def test_a_full_log_is_put_aside_while_its_process_goes_on(server: Server) -> None:
    log = server.home / "logs" / "dispatcher-1.log"
    with log.open("ab") as file:
        file.write(b"x" * MAX_BYTES + b"\n")
    eventually(log.with_name("dispatcher-1.log.1").exists, "it is put aside")
    eventually(lambda: log.stat().st_size < MAX_BYTES, "it is cut")
    (pid,) = json.loads((server.home / "pids.json").read_text())["dispatcher"]
    assert Path(f"/proc/{pid}/fd/2").resolve() == log


def test_sigterm_ends_it_with_status_0(server: Server) -> None:
    assert server.ended() == 0
    assert server.said.endswith("Stopped.\n")
