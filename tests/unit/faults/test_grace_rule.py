"""When a dispatcher may give a lease up, as the checker sees it."""

from tests.unit.faults.given import Given


def _held() -> tuple[Given, int]:
    """A request that an agent runs, and its lease, which has just been listed."""
    given = Given()
    given.connects("c1", [])
    given.accepted()
    lease = given.assigned()
    given.run(seconds=None)
    given.wait(5).listed(lease)
    return given, lease


def test_a_lease_that_was_listed_lately_is_not_given_up() -> None:
    given, lease = _held()
    given.wait(10).requeued("agent_lost")
    assert given.violations("grace") == [f"lease {lease} was given up after 11.0 s"]


def test_one_that_nobody_has_listed_for_the_grace_is() -> None:
    given, _ = _held()
    given.wait(20).requeued("agent_lost")
    assert given.violations("grace") == []


def test_one_that_was_never_listed_is_held_since_it_was_assigned() -> None:
    given = Given()
    given.accepted()
    lease = given.assigned()
    given.wait(1).requeued("agent_lost")
    assert given.violations("grace") == [f"lease {lease} was given up after 2.0 s"]


def test_its_failure_for_a_lost_agent_is_a_lease_given_up_as_well() -> None:
    given, lease = _held()
    given.failed(code="agent_lost", actor="dispatcher:d")
    assert given.violations("grace") == [f"lease {lease} was given up after 1.0 s"]


def test_a_listing_after_it_was_given_up_does_not_count() -> None:
    given, lease = _held()
    given.wait(20).requeued("agent_lost")
    given.wait(1).listed(lease)
    assert given.violations("grace") == []


def test_an_agent_that_has_come_back_without_it_as_another_process_has_lost_it() -> None:
    given, _ = _held()
    given.wait(1).connects("c2", [], boot="boot-2")
    given.requeued("agent_lost")
    assert given.violations("grace") == []


def test_a_dispatcher_may_have_assigned_it_just_before_it_heard_of_the_return() -> None:
    given = Given()
    given.connects("c1", [])
    given.accepted()
    given.connects("c2", [])  # a second before
    given.assigned()
    given.wait(1).requeued("agent_lost")
    assert given.violations("grace") == []


def test_a_return_long_before_it_was_assigned_is_none() -> None:
    given = Given()
    given.connects("c1", [])
    given.accepted()
    given.connects("c2", [])
    given.wait(1).assigned()
    given.wait(1).requeued("agent_lost")
    assert given.violations("grace") == ["lease 2 was given up after 2.0 s"]


def test_the_same_process_that_had_begun_it_has_not_lost_it() -> None:
    given, lease = _held()
    given.wait(1).connects("c2", [])
    given.requeued("agent_lost")
    assert given.violations("grace") == [f"lease {lease} was given up after 2.0 s"]


def test_the_same_process_that_had_never_heard_of_it_has_nothing_to_lose() -> None:
    given, _ = _held()
    given.history.runs.clear()
    given.wait(1).connects("c2", [])
    given.requeued("agent_lost")
    assert given.violations("grace") == []


def test_an_agent_that_has_come_back_with_it_holds_it() -> None:
    given, lease = _held()
    given.wait(1).connects("c2", [lease], boot="boot-2")
    given.requeued("agent_lost")
    assert given.violations("grace") == [f"lease {lease} was given up after 2.0 s"]


def test_a_gateway_knows_what_its_agents_have_left() -> None:
    given, _ = _held()
    given.requeued("agent_lost", actor="gateway:g")
    assert given.violations("grace") == []
