"""Print the part of requirements/lock.txt, hashes included, that a distribution of ours needs to run.

    python requirements/runtime.py agent     # or `.`: the services, with agent and client, on which they depend
    python requirements/runtime.py build-system    # what builds them

Which parts those are is pip's answer, by what each locked distribution says of itself for this machine: ask in the
environment that is to be filled."""

import itertools
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OWN = {"spaces-agent": "agent", "spaces-client": "client"}


def requirements(directory: str) -> Iterator[str]:
    """What a distribution of ours asks others for; for ours that it asks for, what those ask for. The agent's extras are
    things that it can do, so they belong to it; those of `.` are for a checkout."""
    project = tomllib.loads((ROOT / directory / "pyproject.toml").read_text())["project"]
    extras = project.get("optional-dependencies", {}).values() if directory == OWN["spaces-agent"] else ()
    for line in [*project["dependencies"], *itertools.chain.from_iterable(extras)]:
        if line in OWN:
            yield from requirements(OWN[line])
        else:
            yield line


def build_requirements() -> Iterator[str]:
    """What builds our distributions."""
    for directory in (".", *OWN.values()):
        yield from tomllib.loads((ROOT / directory / "pyproject.toml").read_text())["build-system"]["requires"]


def locked() -> dict[str, str]:
    """The lock's entries by normalized name, each `name==version` with its hashes."""
    text = re.sub(r"^#.*\n", "", (ROOT / "requirements" / "lock.txt").read_text(), flags=re.MULTILINE)
    entries = re.findall(r"^\S.*(?:\n .*)*", text, flags=re.MULTILINE)
    return {_normalized(entry.split("==")[0]): entry for entry in entries}


def resolved(wanted: list[str], pins: list[str]) -> set[str]:
    """The normalized names of all that pip would install for the wanted, within the pins."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("\n".join(pins))
        constraints.flush()
        command = ["install", "--dry-run", "--ignore-installed", "--quiet", "--only-binary", ":all:", "--report", "-"]
        answer = subprocess.run(
            [sys.executable, "-m", "pip", *command, "--constraint", constraints.name, *wanted],
            check=True, stdout=subprocess.PIPE,
        )  # fmt: skip
    return {_normalized(each["metadata"]["name"]) for each in json.loads(answer.stdout)["install"]}


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    entries = locked()
    pins = [re.split(r"[\s\\]", entry)[0] for entry in entries.values()]
    wanted = build_requirements() if sys.argv[1] == "build-system" else requirements(sys.argv[1])
    for name in sorted(resolved(sorted(set(wanted)), pins)):
        print(entries[name])
