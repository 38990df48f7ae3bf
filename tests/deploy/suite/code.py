"""What the code itself says: its services, settings, drain, streams and metrics."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from services.runtime import process
from services.runtime.settings import Settings, SettingsError, read
from services.runtime.topology import streams
from tests.deploy.suite.objects import Object

ROOT = Path(__file__).resolve().parents[3]
SERVICES = frozenset(each.parent.name for each in (ROOT / "services").glob("*/main.py"))
PROVISIONER = "provision"
NATS_USER_OF = {each: each for each in SERVICES} | {PROVISIONER: "provisioner"}
DRAIN_S = process.DRAIN_S
SPARE_S = 5.0
"""For closing what is left after a drain, on a machine that is busy."""
NATS_LAME_DUCK_S = 120.0
"""How long nats-server takes by default to let its clients go."""


def service_of(container: Object) -> str | None:
    """Which of our services, or the provisioner, a container runs; None when another program."""
    words = [*(container.get("command") or []), *(container.get("args") or [])]
    if words[:1] == ["spaces"]:
        words = words[1:]
    if words[:2] == ["python", "-m"]:
        words = [words[2].removeprefix("services.").removesuffix(".main")]
    return words[0] if words and words[0] in NATS_USER_OF else None


def settings_of(environment: dict[str, str]) -> Settings | str:
    """The settings of a service with this environment; a text when it would refuse to start."""
    try:
        return read(environment)
    except SettingsError as error:
        return str(error)


def declared(settings: Settings) -> dict[str, dict[str, Any]]:
    """All streams and their configuration."""
    return {each.name: each.config for each in streams(settings)}


@cache
def metrics() -> frozenset[str]:
    """Names that stand in the services' source like those of metrics."""
    source = "".join(path.read_text() for path in (ROOT / "services").rglob("*.py"))
    return frozenset(re.findall(r'"(ws_[a-z_]+)"', source))


@cache
def agent_options() -> frozenset[str]:
    """The options of `spaces-agent run`."""
    from spaces_agent.cli import main

    return frozenset(name for parameter in main.commands["run"].params for name in parameter.opts)
