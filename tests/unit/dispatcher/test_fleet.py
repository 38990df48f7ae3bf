"""What the reports of gateways add up to."""

from collections.abc import Callable

from services.contracts.ids import part_of_space
from services.contracts.reports import AgentReport
from services.dispatcher.fleet import Fleet
from services.dispatcher.state import SECOND
from tests.unit.dispatcher.given import CONN, GATEWAY, NOW, agent_report, held, report, rid


def a_fleet(*agents: AgentReport) -> Fleet:
    fleet = Fleet()
    fleet.fold(report(*agents), NOW)
    return fleet


def free(fleet: Fleet) -> int:
    return fleet.agents[CONN].free


def test_an_agents_free_slots_are_what_it_does_not_hold() -> None:
    assert free(a_fleet(agent_report(held(1, 11), slots=4))) == 3


def test_an_assignment_takes_a_slot_before_any_report_lists_it_and_once_only() -> None:
    fleet = a_fleet(agent_report(slots=4))
    fleet.reserve(CONN, rid(1), 11)
    assert free(fleet) == 3
    fleet.fold(report(agent_report(held(1, 11), slots=4), number=1, full=False), NOW)
    assert free(fleet) == 3


def test_a_report_that_came_before_the_event_is_not_counted_twice() -> None:
    fleet = a_fleet(agent_report(held(1, 11), slots=4))
    fleet.reserve(CONN, rid(1), 11)
    assert free(fleet) == 3


def test_a_slot_is_free_at_the_recorded_outcome_although_an_old_report_still_lists_it() -> None:
    fleet = a_fleet(agent_report(held(1, 11), slots=1))
    fleet.release(CONN, rid(1), 11, confirmed=True)
    assert free(fleet) == 1
    fleet.fold(report(agent_report(slots=1), number=1, full=False), NOW)
    assert free(fleet) == 1


def test_a_report_that_was_overtaken_by_the_outcome_does_not_take_the_slot_again() -> None:
    fleet = a_fleet(agent_report(slots=1))
    fleet.reserve(CONN, rid(1), 11)
    fleet.release(CONN, rid(1), 11, confirmed=True)
    fleet.fold(report(agent_report(held(1, 11), slots=1), number=1, full=False), NOW)
    assert free(fleet) == 1


def test_a_slot_stays_taken_after_a_timeout_until_the_report_drops_it() -> None:
    fleet = a_fleet(agent_report(held(1, 11), slots=1))
    fleet.release(CONN, rid(1), 11, confirmed=False)
    assert fleet.pick("demo", NOW) is None
    fleet.fold(report(agent_report(slots=1), number=1, full=False), NOW)
    assert fleet.pick("demo", NOW) is not None


def test_the_agent_with_the_most_free_slots_is_picked() -> None:
    fleet = a_fleet(agent_report(slots=2), agent_report(slots=3, conn="conn-2", agent="owner/other"))
    picked = fleet.pick("demo", NOW)
    assert picked is not None
    assert picked.report.conn == "conn-2"


def test_an_agent_that_drains_or_serves_another_space_is_not_picked() -> None:
    fleet = a_fleet(agent_report(state="draining"), agent_report(conn="conn-2", spaces=["else"]))
    assert fleet.pick("demo", NOW) is None


def test_an_agent_that_said_busy_is_picked_again_after_a_newer_report() -> None:
    fleet = a_fleet(agent_report())
    fleet.block(CONN, 0)
    assert fleet.pick("demo", NOW) is None
    fleet.fold(report(agent_report(), number=1, full=False), NOW)
    assert fleet.pick("demo", NOW) is not None


def test_after_a_missed_report_only_a_full_one_counts() -> None:
    fleet = a_fleet(agent_report(slots=4))
    fleet.fold(report(agent_report(slots=9), number=5, full=False), NOW)
    assert free(fleet) == 4
    fleet.fold(report(agent_report(slots=9), number=6, full=True), NOW)
    assert free(fleet) == 9


def test_a_lease_is_delisted_when_its_agent_goes_or_its_gateway_goes() -> None:
    ways: list[Callable[[Fleet], object]] = [
        lambda fleet: fleet.fold(report(agent_report(gone=True), number=1, full=False), NOW + SECOND),
        lambda fleet: fleet.fold(report(number=1), NOW + SECOND),
        lambda fleet: fleet.gateway_gone(GATEWAY, NOW + SECOND),
    ]
    for go in ways:
        fleet = a_fleet(agent_report(held(1, 11)))
        go(fleet)
        assert 11 not in fleet.listed
        assert fleet.delisted[11] == NOW + SECOND
        assert fleet.states("demo") == set()


def test_a_lease_that_moved_to_another_gateway_stays_listed() -> None:
    fleet = a_fleet(agent_report(held(1, 11)))
    fleet.fold(report(agent_report(held(1, 11), conn="conn-2"), gateway="gateway-2"), NOW)
    fleet.fold(report(agent_report(gone=True), number=1, full=False), NOW)
    assert fleet.listed[11].conn == "conn-2"
    assert 11 not in fleet.delisted


def test_a_lease_that_moved_stays_listed_although_its_former_gateway_lists_it_until_it_notices() -> None:
    fleet = a_fleet(agent_report(held(1, 11)))
    fleet.fold(report(agent_report(held(1, 11), conn="conn-2"), gateway="gateway-2"), NOW)
    fleet.fold(report(agent_report(held(1, 11)), number=1), NOW)
    fleet.fold(report(agent_report(gone=True), number=2, full=False), NOW)
    assert fleet.listed[11].conn == "conn-2"
    assert 11 not in fleet.delisted


def test_a_lease_whose_newest_connection_has_ended_is_listed_by_the_one_before() -> None:
    fleet = a_fleet(agent_report(held(1, 11)))
    fleet.fold(report(agent_report(held(1, 11), conn="conn-2"), gateway="gateway-2"), NOW)
    fleet.fold(report(number=1, gateway="gateway-2"), NOW)
    assert 11 not in fleet.listed
    fleet.fold(report(agent_report(held(1, 11)), number=1), NOW)
    assert fleet.listed[11].conn == CONN
    assert 11 not in fleet.delisted


def test_after_a_barrier_every_gateway_alive_then_must_report_in_full() -> None:
    fleet = a_fleet(agent_report())
    live = frozenset({GATEWAY, "gateway-2"})
    fleet.raise_barrier(NOW, live)
    assert not fleet.complete(live)
    fleet.fold(report(agent_report(), number=1, full=False), NOW + 1)
    assert not fleet.complete(live)
    fleet.fold(report(agent_report(), number=2), NOW + 2)
    assert not fleet.complete(live)
    assert fleet.complete(live - {"gateway-2"}), "a gateway that has died meanwhile is not waited for"


def test_a_gateway_that_starts_after_the_barrier_is_not_waited_for() -> None:
    fleet = a_fleet(agent_report())
    fleet.raise_barrier(NOW, frozenset({GATEWAY}))
    fleet.fold(report(agent_report(), number=1), NOW + 1)
    assert fleet.complete(frozenset({GATEWAY, "gateway-new"}))


def test_leases_that_ended_are_not_remembered_for_ever() -> None:
    fleet = a_fleet(agent_report(slots=1))
    for number in range(1, 1000):
        now = NOW + number * SECOND
        fleet.fold(report(agent_report(held(number, number), slots=1), number=2 * number - 1, full=False), now)
        fleet.fold(report(agent_report(slots=1), number=2 * number, full=False), now)
    assert fleet.listed == {}
    assert 999 in fleet.delisted
    assert len(fleet.delisted) < 100


def test_an_attempt_that_lost_does_not_give_back_the_slot_of_the_one_that_won() -> None:
    fleet = a_fleet(agent_report(slots=1))
    fleet.reserve(CONN, rid(1), 0)
    fleet.reserve(CONN, rid(1), 11)  # an earlier try of ours, thought lost, was stored after all
    fleet.release(CONN, rid(1), 0, confirmed=False)
    assert free(fleet) == 0


def test_a_report_that_was_overtaken_by_a_newer_one_changes_nothing() -> None:
    fleet = a_fleet(agent_report(slots=4))
    fleet.fold(report(agent_report(slots=2), number=5), NOW)
    fleet.fold(report(agent_report(slots=9), number=4), NOW)
    assert free(fleet) == 2


def test_a_partition_that_is_let_go_gives_its_reservations_back() -> None:
    fleet = a_fleet(agent_report(slots=2))
    fleet.reserve(CONN, rid(1), 0)
    fleet.reserve(CONN, rid(2, "else"), 0)
    assert part_of_space("demo") != part_of_space("else")
    fleet.let_go(part_of_space("demo"))
    assert fleet.agents[CONN].reserved == {rid(2, "else"): 0}


def test_an_agent_that_has_connected_anew_gets_nothing_through_its_former_connection() -> None:
    fleet = a_fleet(agent_report(slots=4))
    anew = agent_report(slots=1, conn="conn-2", boot_id="boot-2")
    fleet.fold(report(anew, gateway="gateway-2"), NOW)
    fleet.fold(report(agent_report(slots=4), number=1), NOW)  # its former gateway has not noticed
    picked = fleet.pick("demo", NOW)
    assert picked is not None
    assert picked.report.conn == "conn-2"
    fleet.fold(report(number=1, gateway="gateway-2"), NOW)
    assert fleet.pick("demo", NOW) is None, "its former gateway may have died since it reported it"
    fleet.fold(report(agent_report(slots=4), number=2), NOW)
    picked = fleet.pick("demo", NOW)
    assert picked is not None
    assert picked.report.conn == CONN


def test_a_connection_that_came_and_went_between_two_reports_shows_that_the_one_we_know_is_a_former_one() -> None:
    fleet = a_fleet(agent_report())
    fleet.fold(report(agent_report(conn="conn-2", gone=True), gateway="gateway-2", number=0, full=False), NOW)
    assert fleet.pick("demo", NOW) is None
    fleet.fold(report(agent_report(), number=1), NOW)
    assert fleet.pick("demo", NOW) is not None, "its gateway lives and still has it"
