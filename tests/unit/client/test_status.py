"""`spaces status` and `spaces completion`."""

import json
import shutil
import subprocess
from typing import Any

import pytest
from click.testing import CliRunner

from services.cli import main
from tests.unit.client.command_line import KEY, at, spaces
from tests.unit.client.scripted_server import ScriptedServer, Step, answer, nowhere, problem

ADA = {"id": "u1", "email": "ada\x1b@example.org", "role": "member", "disabled": False}
STATS: dict[str, Any] = {
    "window_s": 3600, "space": None, "accepted": 12, "ended": {"succeeded": 9, "failed": 1}, "throughput": 0.1,
    "success_rate": 0.9, "sampled": 10, "queue_s": {"p50": 0.25, "p95": 1.0, "p99": 2.0}, "run_s": None,
}  # fmt: skip
AGENTS = {"results": [{"id": "ada/a", "slots": 4, "running": 1}, {"id": "ada/b", "slots": 2, "running": 2}]}
HEALTH = {
    "space": "demo", "status": "degraded", "reasons": ["The queue is full."], "agents": None, "slots": None, "queued": 3,
    "window_s": 3600, "success_rate": 0.9,
}  # fmt: skip
QUEUE = {"space": "demo", "queued": 3, "processing": 2, "slots": 4, "free": 1}


def steps(ready: Step, *rest: Step) -> list[Step]:
    return [ready, answer(ADA), answer(STATS), answer(AGENTS), answer({"results": [{"id": "demo"}]}), *rest]


READY, WAITING = answer({"status": "ready"}), answer({"status": "waiting", "waiting_for": ["nats"]}, 503)


def test_all_is_on_one_screen() -> None:
    with ScriptedServer(*steps(READY, answer(HEALTH), answer(QUEUE))) as server:
        done = at(server, "status")
    gateway, you, hour, agents, _, head, demo = done.stdout.splitlines()
    assert done.exit_code == 0
    assert gateway == f"gateway   {server.url}, ready"
    assert you == "you       ada\\u001b@example.org (key from WS_API_KEY)"
    assert hour.endswith("12 requests of yours came in, 10 ended, 90.0% succeeded, half waited less than 250 ms")
    assert agents == "agents    2 of yours connected, 3 of 6 slots in use"
    assert head.split() == ["SPACE", "HEALTH", "AGENTS", "SLOTS", "WAITING", "RUNNING", "SUCCEEDED", "WHY"]
    assert demo.split() == ["demo", "degraded", "?", "3", "of", "4", "3", "2", "90.0%", "The", "queue", "is", "full."]


def test_for_programs_it_is_what_the_gateway_sent() -> None:
    with ScriptedServer(*steps(WAITING, answer(HEALTH), answer(QUEUE))) as server:
        done = at(server, "status", "--json")
    assert done.exit_code == 1, "it is not ready"
    assert json.loads(done.stdout) == {
        "url": server.url, "ready": False, "user": ADA, "stats": STATS, "agents": AGENTS["results"],
        "spaces": [{"health": HEALTH, "queue": QUEUE}],
    }  # fmt: skip


def test_a_space_that_is_deleted_meanwhile_is_left_out() -> None:
    with ScriptedServer(*steps(READY, problem(404, "not_found"))) as server:
        done = at(server, "status")
    assert done.exit_code == 0
    assert done.stdout.endswith("There is no space that you may see.\n")


def test_what_goes_wrong_is_told_in_one_line() -> None:
    with ScriptedServer(READY, problem(401, "unauthenticated", "This key is not known.")) as server:
        refused = at(server, "status")
    with nowhere() as url:
        lost = spaces("status", WS_URL=url, WS_API_KEY=KEY)
    assert (refused.exit_code, lost.exit_code, refused.stdout + lost.stdout) == (2, 2, "")
    assert "This key is not known." in refused.stderr
    assert lost.stderr == f"spaces: cannot reach {url}: Connection refused\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_asks_this_command(shell: str) -> None:
    script = spaces("completion", shell)
    assert script.exit_code == 0
    assert "_SPACES_COMPLETE" in script.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n", "/dev/stdin"], input=script.stdout, text=True, check=True, timeout=60)


@pytest.mark.parametrize(
    ("typed", "completed"), [("spaces spaces pa", "plain,pause"), ("spaces status --js", "plain,--json")]
)
def test_commands_and_options_are_completed(typed: str, completed: str) -> None:
    asked = {"_SPACES_COMPLETE": "bash_complete", "COMP_CWORD": "2", "COMP_WORDS": typed}
    done = CliRunner().invoke(main, [], env=asked, prog_name="spaces")
    assert done.stdout.splitlines() == [completed]
