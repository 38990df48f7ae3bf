"""`spaces login`, `status`, `doctor` and `logout` on a whole stack, as somebody far away uses them."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.stack import Stack, eventually, spaces
from tests.support.world import agent


@pytest.fixture(autouse=True)
def far_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A directory without a stack, and a place of its own for logins."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def log_in(stack: Stack, password: str = "") -> subprocess.CompletedProcess[str]:
    """Run `spaces login` as the stack's administrator."""
    email, given = stack.ready.admin.email, password or stack.ready.admin.password
    return spaces("login", "--url", stack.ready.url, "--email", email, "--password-stdin", stdin=f"{given}\n")


def test_who_has_signed_in_uses_all_commands_until_they_log_out(stack: Stack) -> None:
    wrong = log_in(stack, "not the password")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert log_in(stack).returncode == 0
    listed = json.loads(spaces("keys", "ls", "--json").stdout)["results"]
    (mine,) = [key for key in listed if key["name"].startswith("spaces at ")]
    assert sorted(mine["scopes"]) == ["manage", "read", "submit"]
    assert spaces("logout").returncode == 0
    assert spaces("keys", "ls").returncode == 2
    after = json.loads(spaces("keys", "ls", "--home", str(stack.home), "--json").stdout)["results"]
    assert mine["id"] not in [key["id"] for key in after]


def test_status_and_doctor_tell_what_is_missing_and_that_it_is_well(stack: Stack) -> None:
    log_in(stack)
    lonely = spaces("doctor")
    assert lonely.returncode == 1
    assert "no agent serves any of 1" in lonely.stdout
    with agent(stack, "echo", name="here"):
        eventually(lambda: spaces("doctor").returncode == 0, "all is well")
        checked = json.loads(spaces("doctor", "--json").stdout)
        assert [check["state"] for check in checked["checks"]] == ["ok"] * 9
        assert spaces("submit", stack.ready.space, "n:=1", "--wait", "30").returncode == 0
        shown = spaces("status")
        assert shown.returncode == 0
        assert f"{stack.ready.admin.email}, administrator" in shown.stdout
        seen = json.loads(spaces("status", "--json").stdout)
        assert (seen["ready"], len(seen["agents"])) == (True, 1)
        assert [each["health"]["status"] for each in seen["spaces"]] == ["ok"]
    spaces("logout")


def test_doctor_tells_what_a_key_lacks(stack: Stack, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(spaces("keys", "create", "r", "--scope", "read", "--home", str(stack.home)).stdout)
    reader = spaces("doctor", "--url", stack.ready.url, "--key-file", str(key), "--json")
    checked = {check["check"]: check for check in json.loads(reader.stdout)["checks"]}
    assert checked["scopes"]["told"] == "may read; not submit, manage"
    key.write_text("wsk_unknown")
    unknown = spaces("doctor", "--url", stack.ready.url, "--key-file", str(key))
    assert unknown.returncode == 1
    assert "BAD  key" in unknown.stdout
    assert "This key is not known" in unknown.stdout
