"""A gateway's drain fits into what its process grants it."""

from services.gateway import agents
from services.gateway.api import server
from services.runtime import kv, process


def test_all_that_a_drain_waits_for_is_less_than_the_process_grants() -> None:
    sockets = agents.DRAIN_SOCKETS_S + agents.DRAIN_OUTPUT_S + agents.DRAIN_OUTCOMES_S + agents.DRAIN_REGISTRY_S
    assert sockets + server.GRACE_S + kv.TIMEOUT_S < process.DRAIN_S
    assert agents.DRAIN_SPREAD_S < agents.DRAIN_SOCKETS_S
