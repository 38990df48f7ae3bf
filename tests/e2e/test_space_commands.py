"""`spaces spaces` on a whole stack."""

import json
from pathlib import Path

from tests.support.stack import Stack, eventually, spaces
from tests.support.world import agent


def at(stack: Stack, *arguments: str, status: int = 0) -> str:
    """Run a command of `spaces spaces` to its end on the stack's home; what it printed."""
    done = spaces("spaces", *arguments, "--home", str(stack.home))
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def test_a_space_is_made_served_switched_purged_and_deleted(stack: Stack, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object", "required": ["n"]}')
    assert "title      Digits\n" in at(stack, "create", "digits", "--title", "Digits", "--input-schema", str(schema))
    assert "digits" in at(stack, "ls")
    assert "no_agent" in at(stack, "health", "digits", status=1)
    key = at(stack, "agent-keys", "create", "digits", "gpu-1").strip()
    assert "gpu-1" in at(stack, "agent-keys", "ls", "digits")
    with agent(stack, "counted", spaces=["digits"], key=key, slots=2, name="gpu-1"):
        eventually(lambda: "ok" in spaces("spaces", "health", "digits", "--home", str(stack.home)).stdout, "it is well")
        assert "/gpu-1" in at(stack, "agents", "digits")
        assert at(stack, "pause", "digits") == "digits is paused\n"
        submitted = spaces("submit", "digits", "n:=1", "--home", str(stack.home))
        rid = submitted.stdout.strip()
        eventually(lambda: rid in at(stack, "queue", "digits"), "it waits")
        refused = spaces("submit", "digits", "m:=1", "--home", str(stack.home))
        assert (refused.returncode, "input_invalid" in refused.stderr) == (1, True)
        at(stack, "delete", "digits", "--yes", status=1)
        assert at(stack, "purge", "digits", "--yes") == "1 are canceled\n"
        assert at(stack, "resume", "digits") == "digits goes on\n"
    assert json.loads(at(stack, "edit", "digits", "--any-input", "--json"))["input_schema"] is None
    assert at(stack, "disable", "digits") == "digits is disabled\n"
    assert at(stack, "delete", "digits", "--yes") == "digits is deleted\n"
    at(stack, "show", "digits", status=1)


def test_a_member_of_a_private_space_is_set_and_removed(stack: Stack) -> None:
    at(stack, "create", "secret", "--visibility", "private")
    user = json.loads(
        spaces("users", "me", "--json", "--home", str(stack.home)).stdout
    )["id"]  # fmt: skip
    assert at(stack, "members", "set", "secret", user, "manager") == f"{user} is a manager of secret\n"
    assert f"{user}  manager" in at(stack, "members", "ls", "secret")
    at(stack, "members", "remove", "secret", user)
    assert at(stack, "members", "ls", "secret") == ""
    at(stack, "members", "set", "secret", "nobody", "viewer", status=1)
