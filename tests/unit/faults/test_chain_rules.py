"""What the checker says of events in stream and log."""

from tests.faults.suite.chains import MAX_LOSSES
from tests.faults.suite.observed import Event, Logged
from tests.unit.faults.given import RID, Given


def test_of_a_whole_request_nothing_is_said() -> None:
    given = Given()
    given.one_that_succeeded()
    for rule in ("one_outcome", "no_gap", "valid_chains", "own_outcome", "budgets", "grace", "rebuilt_is_live"):
        assert given.violations(rule) == []


# one_outcome


def test_a_request_without_an_outcome_is_named_for_stream_and_log() -> None:
    given = Given()
    given.accepted()
    assert given.violations("one_outcome") == ["0 outcomes in the stream", "0 outcomes in the log"]


def test_two_outcomes_are_one_too_many() -> None:
    given = Given()
    given.one_that_succeeded()
    given.event("canceled")
    assert given.violations("one_outcome") == ["2 outcomes in the stream", "2 outcomes in the log"]


def test_a_request_that_only_a_client_was_told_of_needs_an_outcome_too() -> None:
    given = Given()
    given.told("unheard-of")
    assert given.violations("one_outcome") == ["0 outcomes in the stream", "0 outcomes in the log"]


# no_gap


def test_an_event_that_is_only_in_the_stream_is_a_gap() -> None:
    given = Given()
    given.one_that_succeeded()
    del given.history.log[-1]
    assert given.violations("no_gap") == [f"the stream has succeeded of {RID}, the log has nothing"]


def test_a_hole_in_the_sequences_is_a_gap_though_both_have_it() -> None:
    given = Given()
    given.one_that_succeeded()
    del given.history.log[1], given.history.events[1]
    assert given.violations("no_gap") == ["nothing between 1 and 3"] * 2


def test_a_log_that_says_something_else_is_no_copy() -> None:
    given = Given()
    given.accepted()
    given.history.log[0] = Logged(1, "accepted", RID, {"prev_seq": 0, "attempt": 0, "other": True})
    assert given.violations("no_gap") == [f"the stream has accepted of {RID}, the log has accepted of {RID}"]


def test_one_sequence_twice_in_the_log_is_said() -> None:
    given = Given()
    given.accepted()
    given.history.log.append(given.history.log[0])
    assert given.violations("no_gap") == ["one sequence twice"]


def test_events_that_were_seen_out_of_order_are_no_gap() -> None:
    given = Given()
    given.one_that_succeeded()
    given.history.log.reverse()
    assert given.violations("no_gap") == []


# valid_chains


def test_an_event_that_follows_another_than_it_says_is_named() -> None:
    given = Given()
    given.accepted()
    lease = given.assigned()
    given.event("canceled")
    given.succeeded(prev_seq=lease)
    assert given.violations("valid_chains") == [f"succeeded at 4 follows {lease}, not 3"]


def test_an_event_that_may_not_follow_is_named() -> None:
    given = Given()
    given.accepted()
    given.succeeded()
    assert given.violations("valid_chains") == ["succeeded after accepted"]


def test_a_chain_begins_with_accepted() -> None:
    given = Given()
    given.assigned()
    assert given.violations("valid_chains") == ["begins with assigned after 0"]


def test_attempts_are_counted() -> None:
    given = Given()
    given.accepted()
    given.assigned(attempt=2)
    assert given.violations("valid_chains") == ["assigned at 2 says attempt 2"]


def test_a_request_that_is_run_again_is_a_valid_chain() -> None:
    given = Given()
    given.accepted()
    given.assigned()
    given.requeued("busy")
    given.assigned()
    given.succeeded()
    assert given.violations("valid_chains") == []


# own_outcome


def test_the_output_of_another_attempt_is_not_its_own() -> None:
    given = Given()
    given.accepted()
    given.assigned()
    given.requeued("agent_lost")
    given.assigned()
    given.succeeded(attempt_said=1)
    assert len(given.violations("own_outcome")) == 1


def test_the_output_of_another_agent_is_not_its_own() -> None:
    given = Given()
    given.accepted()
    given.assigned()
    given.succeeded(agent="u/agent-2")
    assert given.violations("own_outcome") == ["assigned to u/agent-1, done by u/agent-2"]


def test_the_output_of_the_last_attempt_is_its_own() -> None:
    given = Given()
    given.accepted()
    given.assigned(agent="u/agent-2")
    given.requeued("agent_lost")
    given.assigned()
    given.succeeded()
    assert given.violations("own_outcome") == []


# budgets


def _retried(times: int, allowed: int) -> Given:
    given = Given()
    given.accepted(max_attempts=allowed)
    for _ in range(times):
        given.assigned()
        given.requeued("retryable")
    return given


def test_more_retries_than_its_user_allows_are_too_many() -> None:
    assert _retried(times=2, allowed=2).violations("budgets") == ["2 retries with max_attempts 2"]


def test_as_many_retries_as_its_user_allows_are_none_too_many() -> None:
    assert _retried(times=1, allowed=2).violations("budgets") == []


def test_so_many_agents_may_a_request_cost_and_no_more() -> None:
    given = Given()
    given.accepted()
    for _ in range(MAX_LOSSES - 1):
        given.assigned()
        given.requeued("agent_lost")
    assert given.violations("budgets") == []
    given.assigned()
    given.requeued("agent_lost")
    assert given.violations("budgets") == [f"{MAX_LOSSES} agents lost"]


# rebuilt_is_live


def test_what_verify_complains_of_is_passed_on() -> None:
    given = Given()
    given.history.complaints.append("spaces log verify: 1 finding")
    assert given.violations("rebuilt_is_live") == ["spaces log verify: 1 finding"]


def test_the_order_in_which_the_stream_was_observed_does_not_matter() -> None:
    given = Given()
    given.one_that_succeeded()
    given.history.events.sort(key=lambda event: -event.seq)
    assert isinstance(given.history.events[0], Event)
    assert given.violations("valid_chains") == []
