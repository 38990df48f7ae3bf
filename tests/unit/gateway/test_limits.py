"""How often may somebody call?"""

import pytest

from services.gateway.limits import Buckets, Limit, Limits, limit, network
from services.gateway.problems import ApiProblem

SECOND = 1_000_000_000
HERE, THERE = "192.0.2.1", "192.0.2.2"


def refused(limits: Limits, address: str, now: int, key: str | None = None) -> ApiProblem | None:
    try:
        limits.unknown(address, now) if key is None else limits.known(key, address, now)
    except ApiProblem as problem:
        return problem
    return None


def test_a_setting_is_calls_and_seconds_and_an_empty_one_no_limit() -> None:
    assert limit("600/60") == Limit(600, 60)
    assert limit("") is None


def test_as_many_calls_as_the_limit_come_through_at_once_and_no_more() -> None:
    buckets = Buckets(Limit(3, 60))
    assert [buckets.take("a", 0).allowed for _ in range(5)] == [True, True, True, False, False]


def test_calls_come_back_evenly_and_never_beyond_the_limit() -> None:
    buckets = Buckets(Limit(3, 60))
    for _ in range(4):
        buckets.take("a", 0)
    assert not buckets.take("a", 20 * SECOND - 1).allowed
    assert buckets.take("a", 20 * SECOND).allowed
    assert [buckets.take("a", 1000 * SECOND).allowed for _ in range(4)] == [True, True, True, False]


def test_what_is_refused_costs_nothing() -> None:
    buckets = Buckets(Limit(1, 10))
    buckets.take("a", 0)
    for _ in range(100):
        assert not buckets.take("a", 9 * SECOND).allowed
    assert buckets.take("a", 10 * SECOND).allowed


def test_who_is_refused_is_told_when_to_try_again_and_that_is_true() -> None:
    buckets = Buckets(Limit(4, 60))
    for _ in range(4):
        buckets.take("a", 0)
    standing = buckets.take("a", SECOND)
    assert (standing.left, standing.again_s, standing.whole_s) == (0, 14, 59)
    assert buckets.take("a", SECOND + standing.again_s * SECOND).allowed


def test_each_has_a_bucket_of_its_own() -> None:
    buckets = Buckets(Limit(1, 10))
    assert [buckets.take(name, 0).allowed for name in "aabb"] == [True, False, True, False]


def test_a_look_takes_nothing() -> None:
    buckets = Buckets(Limit(1, 10))
    assert [buckets.look("a", 0).allowed for _ in range(3)] == [True] * 3


def test_who_was_silent_longest_is_forgotten() -> None:
    buckets = Buckets(Limit(1, 10), most=2)
    for name in "abac":  # a's second call is refused, so b's is the newer one
        buckets.take(name, 0)
    assert [buckets.look(name, 0).allowed for name in "abc"] == [True, False, False]


def test_a_key_is_told_the_policy_and_where_it_stands() -> None:
    limits = Limits(Limit(2, 60), None)
    assert limits.known("k", HERE, 0) == {"RateLimit-Policy": '"key";q=2;w=60', "RateLimit": '"key";r=1;t=30'}
    assert limits.known("k", THERE, 0)["RateLimit"] == '"key";r=0;t=60'
    problem = refused(limits, HERE, 0, "k")
    assert problem is not None
    assert (problem.code, problem.status) == ("quota_exceeded", 429)
    assert problem.headers == {
        "Retry-After": "30",
        "RateLimit-Policy": '"key";q=2;w=60',
        "RateLimit": '"key";r=0;t=60',
    }


def test_without_a_limit_nothing_is_refused_or_told() -> None:
    limits = Limits(None, None)
    assert limits.known("k", HERE, 0) == {}
    assert refused(limits, HERE, 0) is None


def test_bad_keys_are_refused_by_address() -> None:
    limits = Limits(None, Limit(2, 60))
    assert [refused(limits, HERE, 0) is None for _ in range(3)] == [True, True, False]
    assert refused(limits, THERE, 0) is None


def test_who_has_shown_too_many_bad_keys_does_not_learn_which_one_is_good() -> None:
    limits = Limits(None, Limit(1, 60))
    limits.unknown(HERE, 0)
    problem = refused(limits, HERE, 0, "good")
    assert problem is not None
    assert problem.headers == {"Retry-After": "60"}
    assert refused(limits, HERE, 60 * SECOND, "good") is None


def test_a_key_that_was_good_at_an_address_stays_so_whatever_others_show_there() -> None:
    limits = Limits(None, Limit(1, 60))
    limits.known("good", HERE, 0)
    limits.unknown(HERE, 0)
    assert refused(limits, HERE, 0) is not None
    assert refused(limits, HERE, 0, "good") is None


@pytest.mark.parametrize(
    ("address", "stands_for"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
    ],
)
def test_a_network_of_ipv6_is_one_address(address: str, stands_for: str) -> None:
    assert network(address) == stands_for
