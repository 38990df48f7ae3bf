"""The dashboard for Grafana, and what it asks Prometheus."""

import json
from typing import Any

from tests.support.stack import ROOT

FILE = ROOT / "deploy" / "observability" / "dashboard.json"
VARIABLES = {"$__rate_interval": "1m", "$job": ".*", "$instance": ".*", "$service": ".*"}


def dashboard() -> dict[str, Any]:
    """The whole of it."""
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def expressions() -> list[str]:
    """What its panels ask, with something chosen for each variable."""
    found = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", [])]
    for name, value in VARIABLES.items():
        found = [expression.replace(name, value) for expression in found]
    return found
