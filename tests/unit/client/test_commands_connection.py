"""To which gateway the client commands of `spaces` talk, and with which key."""

import json
from pathlib import Path

import pytest

from spaces_client import sending
from tests.unit.client.command_line import KEY, spaces
from tests.unit.client.scripted_server import RID, ScriptedServer, answer, nowhere, problem


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between tries."""
    monkeypatch.setattr(sending, "FIRST_DELAY_S", 0.001)


def test_a_key_that_is_not_valid_is_status_2_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "api.key"
    file.write_text(f"{KEY}\n")
    with ScriptedServer(problem(401, "unauthenticated", "This key is not known.")) as server:
        done = spaces("cancel", RID, "--url", server.url, "--key-file", str(file))
    assert (done.exit_code, done.stderr) == (2, f"spaces: This key is not known. (the key is from {file})\n")
    assert server.received[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_gateway_that_is_not_there_is_status_2() -> None:
    with nowhere() as url:
        done = spaces("cancel", RID, WS_URL=url, WS_API_KEY=KEY)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"spaces: cannot reach {url}: ")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The working directory, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def home(path: Path, url: str) -> Path:
    path.mkdir()
    credentials = {"url": url, "api_key": KEY, "agent_key": "wsa_x", "admin": {}, "space": "demo"}
    (path / "credentials.json").write_text(json.dumps(credentials))
    return path


def test_a_stack_on_this_machine_is_found_by_itself(here: Path) -> None:
    with ScriptedServer(*[answer({"results": []})] * 3) as server:
        home(here / ".spaces", server.url)
        other = home(here / "other", server.url)
        assert spaces("agents", "ls").exit_code == 0
        (here / ".spaces" / "credentials.json").unlink()
        assert spaces("agents", "ls", "--home", str(other), WS_URL="http://elsewhere", WS_API_KEY="wsk_other").exit_code == 0
        assert spaces("agents", "ls", WS_HOME=str(other)).exit_code == 0
    assert {sent.headers["authorization"] for sent in server.received} == {f"Bearer {KEY}"}


def test_when_that_stack_is_down_it_is_said(here: Path) -> None:
    with nowhere() as url:
        home(here / ".spaces", url)
        done = spaces("agents", "ls")
    assert done.exit_code == 2
    assert done.stderr.endswith("is `spaces up` running?\n")


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        ([], {}, "no gateway is known: set WS_URL and WS_API_KEY"),
        ([], {"WS_URL": "http://127.0.0.1:1"}, "there is no key for http://127.0.0.1:1: set WS_API_KEY"),
        ([], {"WS_API_KEY": KEY}, "WS_API_KEY holds a key, but there is no gateway: set WS_URL"),
        (["--home", "none"], {}, "there is no none/credentials.json: start a stack there"),
        ([], {"WS_HOME": "none"}, "there is no none/credentials.json: start a stack there"),
        (["--home", "damaged"], {}, "damaged/credentials.json cannot be read"),
        (["--home", "damaged", "--url", "http://a"], {}, "give --home, or --url and --key-file, not both"),
        (["--url", "http://a", "--key-file", "none"], {}, "the key file none cannot be read: No such file"),
        (["--url", "ftp://a"], {"WS_API_KEY": KEY}, "is not an address of a gateway"),
        (["--url", "http://a"], {"WS_API_KEY": f"{KEY} x"}, "this is no API key"),
        (["--url", "http://a"], {"WS_API_KEY_FILE": "none"}, "WS_API_KEY_FILE: none cannot be read: No such file"),
        (["--url", "http://a"], {"WS_API_KEY_FILE": "damaged", "WS_API_KEY": KEY}, "WS_API_KEY_FILE are both set"),
    ],
)
def test_where_to_connect_must_be_known(here: Path, arguments: list[str], variables: dict[str, str], said: str) -> None:
    (here / "damaged").mkdir()
    (here / "damaged" / "credentials.json").write_text('{"url": 1')
    done = spaces("agents", "ls", *arguments, **variables)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_the_key_may_be_in_a_file_that_a_variable_names(here: Path) -> None:
    (here / "key").write_text(f"  {KEY}\n")
    with ScriptedServer(answer({"results": []})) as server:
        spaces("agents", "ls", WS_URL=server.url, WS_API_KEY_FILE=str(here / "key"))
    assert [sent.headers["authorization"] for sent in server.received] == [f"Bearer {KEY}"]


def test_the_key_of_a_home_is_sent_to_no_other_gateway(here: Path) -> None:
    with ScriptedServer() as server:
        home(here / ".spaces", "http://127.0.0.1:1")
        assert spaces("agents", "ls", "--url", server.url).exit_code == 2
        assert spaces("agents", "ls", WS_URL=server.url).exit_code == 2
    assert server.received == []
