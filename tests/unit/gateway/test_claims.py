"""What the gateway remembers of the claims on agents' identities."""

from unittest.mock import Mock

import msgspec

from services.contracts import subjects
from services.contracts.rpc import Claim
from services.gateway.claims import Claims
from services.runtime.kv import Entry

KEY = subjects.agent_claim("u1/a1")


def entry(conn: str, revision: int) -> Entry:
    claim = Claim(agent="u1/a1", conn=conn, gateway="gateway-b", boot_id="b1")
    return Entry(KEY, msgspec.json.encode(claim), revision)


def test_a_newer_claim_is_contrary_to_an_older_connection_only() -> None:
    claims = Claims(Mock(), lambda key: None)
    claims._fold(entry("c2", 5))
    assert claims.contrary("u1/a1", "c1", 4) is not None
    assert claims.contrary("u1/a1", "c1", 5) is None
    assert claims.contrary("u1/a1", "c2", 4) is None


def test_a_claim_that_is_given_back_is_told_once_and_forgotten() -> None:
    told: list[bool] = []
    claims = Claims(Mock(), lambda key: told.append(claims.withdrawn("u1/a1", 5)))
    claims._fold(entry("c1", 5))
    claims._fold(Entry(KEY, None, 6))
    assert told == [False, True]
    assert not claims._newest
