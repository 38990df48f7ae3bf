"""How long Kubernetes waits before it kills, against how long our processes may take to end in order."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.runtime import process
from spaces_agent import serving

K8S = Path(__file__).resolve().parents[2] / "deploy" / "k8s"
SPARE_S = 5.0
"""For closing what is left after the bounded steps, on a machine that is busy."""


def pod(manifest: str) -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load((K8S / manifest).read_text())["spec"]["template"]["spec"]
    return spec


def before_the_signal(container: dict[str, Any]) -> float:
    """What a preStop hook sleeps, in seconds."""
    hook = container.get("lifecycle", {}).get("preStop", {})
    assert set(hook) <= {"sleep"}, "only a sleep says how long it takes"
    return float(hook.get("sleep", {}).get("seconds", 0))


@pytest.mark.parametrize("service", ["gateway", "registry", "dispatcher", "history"])
def test_a_service_is_not_killed_before_it_has_drained(service: str) -> None:
    spec = pod(f"base/{service}/deployment.yaml")
    (container,) = spec["containers"]
    variables = {each["name"]: each.get("value", "") for each in container["env"]}
    delay_s = float(variables.get("WS_DRAIN_DELAY", "0"))
    needed_s = before_the_signal(container) + delay_s + process.DRAIN_S + SPARE_S
    assert spec["terminationGracePeriodSeconds"] >= needed_s


def test_gateways_serve_on_until_their_readiness_has_been_asked_again() -> None:
    (container,) = pod("base/gateway/deployment.yaml")["containers"]
    variables = {each["name"]: each.get("value", "") for each in container["env"]}
    probe = next(
        change["value"]
        for change in yaml.safe_load((K8S / "base/pods/probes.yaml").read_text())
        if change["path"].endswith("/readinessProbe")
    )
    noticed_s = probe["failureThreshold"] * (probe["periodSeconds"] + probe["timeoutSeconds"])
    assert float(variables["WS_DRAIN_DELAY"]) >= noticed_s


def test_an_agent_is_not_killed_before_it_has_handed_over_what_it_runs() -> None:
    spec = pod("overlays/agent/agent.yaml")
    (container,) = spec["containers"]
    drain_s = next(float(each.partition("=")[2]) for each in container["args"] if each.startswith("--drain-s="))
    needed_s = before_the_signal(container) + drain_s + serving.AFTER_DRAIN_S + SPARE_S
    assert spec["terminationGracePeriodSeconds"] >= needed_s
