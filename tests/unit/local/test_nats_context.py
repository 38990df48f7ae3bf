"""`spaces nats-context`: the file that lets the `nats` command in."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.cli import main
from services.nats_context_command import Access, access_at

URL = "nats://observer:s%40cret@127.0.0.1:4222"


def run(directory: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    environment = {"XDG_CONFIG_HOME": str(directory), "WS_NATS_URL": URL, "WS_HOME": "", **variables}
    result = CliRunner().invoke(main, ["nats-context", *arguments], env=environment)
    return result.exit_code, result.output


def test_the_context_holds_what_the_url_says_for_its_owner_alone(tmp_path: Path) -> None:
    status, output = run(tmp_path)
    path = tmp_path / "nats" / "context" / "spaces.json"
    assert status == 0, output
    assert json.loads(path.read_text()) == {
        "description": "WebSocket Spaces",
        "url": "nats://127.0.0.1:4222",
        "inbox_prefix": "_INBOX_observer",
        "user": "observer",
        "password": "s@cret",
    }
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_url_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(URL + "\n")
    environment = {"XDG_CONFIG_HOME": str(tmp_path), "WS_NATS_URL_FILE": str(tmp_path / "url"), "WS_HOME": ""}
    result = CliRunner().invoke(main, ["nats-context"], env=environment)
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "nats" / "context" / "spaces.json").read_text())["user"] == "observer"


def test_no_password_is_shown(tmp_path: Path) -> None:
    _, output = run(tmp_path)
    assert "`observer` at nats://127.0.0.1:4222" in output
    assert "cret" not in output


def test_a_context_of_another_name_leaves_the_first_one_alone(tmp_path: Path) -> None:
    run(tmp_path)
    run(tmp_path, "second", WS_NATS_URL="nats://operator:p@127.0.0.1:4333")
    found = {path.name: json.loads(path.read_text())["user"] for path in (tmp_path / "nats" / "context").iterdir()}
    assert found == {"spaces.json": "observer", "second.json": "operator"}


@pytest.mark.parametrize("name", ["../spaces", ".hidden", "a b", ""])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    assert run(tmp_path, name)[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_is_not_up_is_told_in_one_line(tmp_path: Path) -> None:
    status, output = run(tmp_path, "--home", str(tmp_path / "none"))
    assert status == 2
    assert output.startswith("spaces: ")
    assert output.count("\n") == 1


def test_several_servers_share_the_user_of_the_first() -> None:
    url = "nats://observer:p@one:4222,nats://observer:p@two:4222"
    assert access_at(url) == Access("nats://one:4222,nats://two:4222", "observer", "p")
