"""What surrounds the processes of an embedded stack: addresses, credentials, environment, words."""

import os
import signal
import socket
import stat
import subprocess
from collections import Counter
from io import StringIO
from pathlib import Path

import pytest

from services.local.addresses import NoSuchAddress, gateway_ports, url_of
from services.local.bootstrap import keep_credentials
from services.local.child import stop_leftover
from services.local.console import Console
from services.local.errors import HomeDamaged, PortInUse
from services.local.home import Home
from services.local.launch import environment
from services.local.messages import status_line
from services.local.ports import free_port, require_free
from services.local.program import message_of


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_what_ends_between_a_look_and_a_signal_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["true"]) as process:
        pass
    looks = [True]
    monkeypatch.setattr("services.local.child.runs_with", lambda *_: bool(looks and looks.pop()))
    stop_leftover(process.pid, "marker", signal.SIGCONT)  # which harms nobody who has the id by now


def test_further_gateways_get_the_next_free_ports(home: Home) -> None:
    first = free_port()
    ports = gateway_ports(home, "127.0.0.1", first, 3)
    assert ports[0] == first < ports[1] < ports[2]


def test_any_free_ports_are_the_same_at_the_next_start(home: Home) -> None:
    ports = gateway_ports(home, "127.0.0.1", 0, 2)
    assert len(set(ports)) == 2
    assert gateway_ports(home, "127.0.0.1", 0, 2) == ports


def test_a_port_in_use_is_refused(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(PortInUse):
        gateway_ports(home, "127.0.0.1", server.getsockname()[1], 1)


def test_too_few_ports_above_the_first_one_are_told(home: Home) -> None:
    require_free("127.0.0.1", 65535)
    with pytest.raises(PortInUse, match="too few"):
        gateway_ports(home, "127.0.0.1", 65535, 2)


def test_an_address_that_is_not_ours_is_named(home: Home) -> None:
    with pytest.raises(NoSuchAddress, match=r"192\.0\.2\.1"):
        gateway_ports(home, "192.0.2.1", 0, 1)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:5001"),
        ("0.0.0.0", "http://127.0.0.1:5001"),
        ("::", "http://[::1]:5001"),
        ("192.168.1.7", "http://192.168.1.7:5001"),
    ],
)
def test_programs_on_this_machine_get_an_address_that_they_can_reach(host: str, url: str) -> None:
    assert url_of(host, 5001) == url


def test_credentials_stay_and_only_their_urls_follow(home: Home) -> None:
    first = keep_credentials(home, "http://127.0.0.1:1", "https://before.example")
    again = keep_credentials(home, "http://127.0.0.1:2", "https://spaces.example")
    assert (again.api_key, again.agent_key, again.admin) == (first.api_key, first.agent_key, first.admin)
    assert again.url == "http://127.0.0.1:2"
    assert home.credentials() == {
        "url": again.url,
        "api_key": again.api_key,
        "agent_key": again.agent_key,
        "admin": {"email": "admin@localhost", "password": again.admin.password},
        "space": "demo",
        "public_url": "https://spaces.example",
    }
    assert stat.S_IMODE(home.credentials_file.stat().st_mode) == 0o600


def test_keys_have_the_form_that_people_recognise(home: Home) -> None:
    credentials = keep_credentials(home, "")
    assert credentials.api_key.startswith("wsk_")
    assert credentials.agent_key.startswith("wsa_")
    assert len(credentials.api_key) == len(credentials.agent_key) == 4 + 40


def test_damaged_credentials_are_not_replaced(home: Home) -> None:
    home.write_credentials({"url": "http://127.0.0.1:1", "api_key": "wsk_1"})
    with pytest.raises(HomeDamaged):
        keep_credentials(home, "http://127.0.0.1:1")


def test_children_get_our_environment_with_their_settings_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WS_NATS_URL", "nats://elsewhere")
    monkeypatch.setenv("LC_NOTHING", "kept")
    monkeypatch.setenv("PYTHONPATH", "relative")
    env = environment({"WS_PORT": "1"})
    assert {name for name in env if name.startswith("WS_")} == {"WS_PORT"}
    assert env["LC_NOTHING"] == "kept"
    assert all(os.path.isabs(entry) for entry in env["PYTHONPATH"].split(os.pathsep))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"level": "error", "message": "cannot connect"}', "cannot connect"),
        ("Fatal Python error", "Fatal Python error"),
        ("[1, 2]", "[1, 2]"),
    ],
)
def test_the_message_of_a_log_line(line: str, message: str) -> None:
    assert message_of(line) == message


def test_a_status_is_printed_on_change_only_where_there_is_no_terminal() -> None:
    stream = StringIO()
    console = Console(stream)
    for agents in (1, 1, 2):
        console.status(status_line(agents, Counter(accepted=3)))
    lines = stream.getvalue().splitlines()
    assert [line.split(" · ")[0] for line in lines] == ["1 agent online", "2 agents online"]
    assert "3 accepted" in lines[0]


def test_lines_stay_above_the_status_of_a_terminal() -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    console = Console(stream)
    console.status("working")
    console.line("news")
    assert stream.getvalue().endswith("\r\x1b[Knews\nworking")


def test_a_status_is_no_longer_than_a_row_that_can_be_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    Console(stream).status("a line that would take two rows")
    assert stream.getvalue() == "\r\x1b[Ka line that would …"
