"""The units of deploy/systemd, as systemd itself reads them."""

import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from services.cli import main as spaces
from services.local import nats_server, postgres
from services.local.program import Program
from services.local.stack import KINDS
from services.runtime.settings import read
from spaces_agent.cli import main as spaces_agent
from spaces_agent.frames import STOP_GRACE_S

UNITS = sorted((Path(__file__).resolve().parents[2] / "deploy" / "systemd").glob("*.service"))
EXPOSED_AT_MOST = 20
"""Of 100, as `systemd-analyze security` counts."""
_MARGIN_S = 10.0


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    found = shutil.which("systemd-analyze")
    if found is None:
        missing = "systemd-analyze is missing: install Debian's package systemd"
        assert os.environ.get("CI") != "true", missing
        pytest.skip(missing)
    return subprocess.run([found, *arguments], capture_output=True, text=True, check=False, timeout=60)


def entries(unit: Path) -> dict[str, list[str]]:
    """The values of each setting, with lines that go on put together."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", unit.read_text().replace("\\\n", " "), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def unit(name: str) -> dict[str, list[str]]:
    return entries(next(path for path in UNITS if path.stem == name))


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_takes_the_unit_and_knows_every_word_of_it(path: Path, tmp_path: Path) -> None:
    text = re.sub(r"^ExecStart=/opt/\S+", f"ExecStart={sys.executable}", path.read_text(), flags=re.MULTILINE)
    (tmp_path / path.name).write_text(text)
    done = analyze("verify", "--man=no", str(tmp_path / path.name))
    assert (done.returncode, path.name in done.stderr) == (0, False), done.stderr


def test_a_word_that_systemd_does_not_know_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "wrong.service").write_text(f"[Service]\nExecStart={sys.executable}\nProtectSistem=strict\n")
    assert "ProtectSistem" in analyze("verify", "--man=no", str(tmp_path / "wrong.service")).stderr


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_the_unit_is_hardened(path: Path) -> None:
    threshold = f"--threshold={EXPOSED_AT_MOST}"
    done = analyze("security", "--offline=true", "--no-pager", threshold, str(path))
    assert done.returncode == 0, done.stdout


def test_there_is_time_to_stop_in_order_before_it_is_killed() -> None:
    services_s = len(KINDS[:-2]) * _stop_timeout_s()
    servers_s = max(2 * postgres._STOP_TIMEOUT_S, nats_server._STOP_TIMEOUT_S)
    server = unit("spaces")
    assert float(server["TimeoutStopSec"][0]) >= services_s + servers_s + _MARGIN_S
    agent = unit("spaces-agent")
    drain_s = float(re.findall(r"--drain-s (\d+)", agent["ExecStart"][0])[0])
    assert float(agent["TimeoutStopSec"][0]) >= drain_s + STOP_GRACE_S + _MARGIN_S
    for each in (server, agent):
        # Only the main process is told: it stops the others in order.
        assert (each["KillMode"], each["KillSignal"]) == (["mixed"], ["SIGTERM"])


def _stop_timeout_s() -> float:
    default = inspect.signature(Program).parameters["stop_timeout_s"].default
    assert isinstance(default, float)
    return default


def test_commands_and_variables_are_known() -> None:
    for name, group in (("spaces", spaces), ("spaces-agent", spaces_agent)):
        found = unit(name)
        _, command, *arguments = found["ExecStart"][0].split()
        with click.Context(group, info_name=name) as context:
            parsed = group.commands[command].make_context(command, [each.replace("%S", "/x") for each in arguments], context)
        assert parsed.params
        variables = dict(each.split("=", 1) for each in " ".join(found["Environment"]).split())
        assert not {
            variable for variable, value in variables.items() if "KEY" in variable and not variable.endswith("_FILE")
        }
        read({variable: value for variable, value in variables.items() if "%" not in value})


def test_secrets_come_as_credentials_which_the_variables_name() -> None:
    for path in UNITS:
        text = path.read_text()
        named = set(re.findall(r"_FILE=%d/([\w-]+)", text))
        assert named == set(re.findall(r"LoadCredential=([\w-]+):/etc/", text)) != set()
