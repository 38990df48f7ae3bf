"""The history checker: all that the platform promises, asked of all that was observed. Pure."""

from collections.abc import Callable, Iterator

from tests.faults.suite import agents, chains, clients
from tests.faults.suite.observed import History
from tests.faults.suite.violation import Violation

Rule = Callable[[History], Iterator[Violation]]

RULES: tuple[Rule, ...] = (
    chains.one_outcome,
    chains.no_gap,
    chains.valid_chains,
    chains.own_outcome,
    chains.budgets,
    chains.grace,
    chains.rebuilt_is_live,
    clients.never_backwards,
    clients.told_as_recorded,
    clients.one_request_per_key,
    clients.whole_output,
    agents.within_slots,
    agents.given_once,
    agents.started_once,
    agents.told_when_recorded,
    agents.stopped_when_void,
    agents.lives_on,
)


def check(history: History) -> list[Violation]:
    """Whatever is wrong with a history; nothing, when every promise was kept."""
    return [violation for rule in RULES for violation in rule(history)]
