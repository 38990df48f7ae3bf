"""Which agents are connected, by what gateways report."""

import pytest

from services.contracts.reports import AgentReport, Held, Report
from services.contracts.rpc import ConnectedAgent
from services.registry.agents import SETTLE_S, SILENT_S, ConnectedAgents

LIVE = frozenset({"g1", "g2"})


class Heard:
    """A listener and the gateways' numbers."""

    def __init__(self) -> None:
        self.agents = ConnectedAgents()
        self.agents.listening(0.0)
        self.numbers: dict[str, int] = {}

    def full(self, gateway: str, *agents: AgentReport, now: float = 1.0) -> None:
        self.report(gateway, agents, now, full=True)

    def change(self, gateway: str, *agents: AgentReport, now: float = 1.0) -> None:
        self.report(gateway, agents, now, full=False)

    def report(self, gateway: str, agents: tuple[AgentReport, ...], now: float, *, full: bool) -> None:
        number = self.missed(gateway)
        self.agents.fold(Report(gateway=gateway, number=number, full=full, agents=list(agents)), now)

    def missed(self, gateway: str) -> int:
        self.numbers[gateway] = number = self.numbers.get(gateway, 0) + 1
        return number

    def listed(self, lost: str = "", now: float = 1.0) -> list[tuple[str, str]]:
        return [(agent.agent, agent.conn) for agent in self.agents.connected(lambda gateway: gateway == lost, now)]


@pytest.fixture
def heard() -> Heard:
    return Heard()


def agent(name: str, conn: str, **more: object) -> AgentReport:
    return AgentReport(agent=f"ada/{name}", conn=conn, boot_id="b", spaces=["demo"], slots=2, **more)  # type: ignore[arg-type]


def test_an_agent_is_listed_as_its_gateway_says(heard: Heard) -> None:
    held = [Held(rid="r", attempt=1, lease=7)]
    heard.full("g1", agent("b", "c2", state="draining"), agent("a", "c1", held=held))
    first, second = heard.agents.connected(lambda _: False, 1.0)
    assert first == ConnectedAgent(
        agent="ada/a", conn="c1", gateway="g1", spaces=["demo"], slots=2, state="ready", running=1
    )
    assert (second.agent, second.state, second.running) == ("ada/b", "draining", 0)


def test_a_change_changes_what_it_names(heard: Heard) -> None:
    heard.full("g1", agent("a", "c1"), agent("b", "c2"))
    heard.change("g1", agent("a", "c1", state="draining"), agent("c", "c3"))
    assert [(each.agent, each.state) for each in heard.agents.connected(lambda _: False, 1.0)] == [
        ("ada/a", "draining"),
        ("ada/b", "ready"),
        ("ada/c", "ready"),
    ]


def test_an_agent_that_is_gone_is_not_listed(heard: Heard) -> None:
    heard.full("g1", agent("a", "c1"))
    heard.change("g1", agent("a", "c1", gone=True))
    assert heard.listed() == []


def test_an_agent_that_a_full_report_does_not_name_is_gone(heard: Heard) -> None:
    heard.full("g1", agent("a", "c1"), agent("b", "c2"))
    heard.full("g1", agent("b", "c2"))
    assert heard.listed() == [("ada/b", "c2")]


def test_after_a_missed_report_only_a_full_one_counts(heard: Heard) -> None:
    heard.full("g1", agent("a", "c1"))
    heard.missed("g1")
    heard.change("g1", agent("b", "c2"))
    heard.change("g1", agent("c", "c3"))
    assert heard.listed() == [("ada/a", "c1")]
    heard.full("g1", agent("b", "c2"))
    heard.change("g1", agent("c", "c3"))
    assert heard.listed() == [("ada/b", "c2"), ("ada/c", "c3")]


def test_changes_alone_tell_nothing(heard: Heard) -> None:
    heard.change("g1", agent("a", "c1"))
    assert heard.listed() == []


def test_a_report_that_was_overtaken_is_left_out(heard: Heard) -> None:
    heard.full("g1", agent("a", "c1"))
    heard.full("g1")
    heard.agents.fold(Report(gateway="g1", number=1, full=True, agents=[agent("a", "c1")]), 1.0)
    assert heard.listed() == []


def test_an_identity_is_listed_with_its_newest_connection_only(heard: Heard) -> None:
    heard.full("g1", agent("a", "c1"))
    heard.full("g2", agent("a", "c2"))
    heard.full("g1", agent("a", "c1"))
    assert heard.listed() == [("ada/a", "c2")]
    heard.change("g1", agent("a", "c1", gone=True))
    assert heard.listed() == [("ada/a", "c2")]
    heard.change("g2", agent("a", "c2", gone=True))
    assert heard.listed() == []


def test_the_older_connection_counts_again_when_the_newer_has_gone(heard: Heard) -> None:
    heard.full("g1", agent("a", "c1"))
    heard.full("g2", agent("a", "c2"))
    heard.full("g2")
    assert heard.listed() == [("ada/a", "c1")]


def test_a_gateway_that_is_gone_takes_its_agents_along(heard: Heard) -> None:
    heard.full("g1", agent("a", "c1"))
    heard.full("g2", agent("b", "c2"))
    assert heard.listed(lost="g1") == [("ada/b", "c2")]
    heard.full("g2", agent("b", "c2"), now=1 + SILENT_S)
    assert heard.listed(now=1 + SILENT_S) == [("ada/b", "c2")]


def test_a_gateway_that_was_silent_for_long_comes_back_with_a_full_report(heard: Heard) -> None:
    heard.full("g1", agent("a", "c1"))
    heard.full("g2", now=1 + SILENT_S)
    heard.change("g1", agent("b", "c2"), now=1 + SILENT_S)
    assert heard.listed(now=1 + SILENT_S) == []
    heard.full("g1", agent("b", "c2"), now=1 + SILENT_S)
    assert heard.listed(now=1 + SILENT_S) == [("ada/b", "c2")]


def test_it_is_settled_when_all_live_gateways_have_reported_in_full(heard: Heard) -> None:
    assert not heard.agents.settled(LIVE, 0.1)
    heard.full("g1")
    heard.change("g2")
    assert not heard.agents.settled(LIVE, 0.1)
    heard.full("g2")
    assert heard.agents.settled(LIVE, 0.1)


def test_a_gateway_that_does_not_report_is_not_waited_for_for_ever(heard: Heard) -> None:
    assert not heard.agents.settled(LIVE, SETTLE_S - 0.1)
    assert heard.agents.settled(LIVE, SETTLE_S)


def test_after_a_pause_all_are_heard_again_before_anything_is_said(heard: Heard) -> None:
    assert not ConnectedAgents().settled(frozenset(), 100.0)
    heard.full("g1", agent("a", "c1"))
    heard.full("g2")
    heard.agents.listening(100.0)
    assert not heard.agents.settled(LIVE, 100.0)
    assert heard.listed(now=100.0) == []
