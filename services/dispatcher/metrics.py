"""What a dispatcher shows to Prometheus."""

from prometheus_client import Counter, Gauge

from services.dispatcher.measures import Measures

DECISIONS = Counter("ws_dispatcher_decisions_total", "Decisions that became events", ["type"])
SUPERSEDED = Counter("ws_dispatcher_superseded_total", "Decisions that somebody else's event preceded")
UNFOLDABLE = Counter("ws_dispatcher_unfoldable_events_total", "Events that do not fit their chain")
OWNED = Gauge("ws_dispatcher_partitions", "Partitions owned here")
ABLE = Gauge("ws_dispatcher_able", "1 while this dispatcher may decide")
QUEUED = Gauge("ws_dispatcher_queued", "Requests waiting in the partitions owned here")
PROCESSING = Gauge("ws_dispatcher_processing", "Requests assigned in the partitions owned here")
OLDEST = Gauge(
    "ws_dispatcher_oldest_queued_seconds", "How long the request has waited that waits longest in these partitions"
)
UNSERVED = Gauge(
    "ws_dispatcher_unserved", "Requests waiting in these partitions whose space is not paused and has no agent connected"
)
AGENTS = Gauge("ws_dispatcher_agents", "Agents connected anywhere, by state; every dispatcher knows all of them", ["state"])
SLOTS = Gauge("ws_dispatcher_slots", "Slots of all agents that are ready; every dispatcher knows all of them", ["state"])


def show(measured: Measures) -> None:
    """Show what was measured."""
    OLDEST.set(measured.oldest_s)
    UNSERVED.set(measured.unserved)
    for state, count in measured.agents.items():
        AGENTS.labels(state).set(count)
    SLOTS.labels("used").set(measured.slots - measured.free)
    SLOTS.labels("free").set(measured.free)
