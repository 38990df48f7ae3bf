"""What pages show is decided without a browser: views of keys, spaces and refusals."""

import msgspec
import pytest

from services.contracts.accounts import Key, Space, User
from services.contracts.problems import PROBLEMS
from services.gateway.web.agent_views import agent_view, owners_for
from services.gateway.web.key_views import keys_view
from services.gateway.web.member_views import members_view
from services.gateway.web.refusals import refused_view, shown_as_page
from services.gateway.web.space_views import form_view, space_view, spaces_view
from services.gateway.web.use_views import use_view

ADA = User(user="ada", email="ada@example.org", role="member", password_hash="x")
ROOT = User(user="root", email="root@example.org", role="admin", password_hash="x")
KEY = Key(
    key_id="k1", kind="api", user="ada", name="b", key_hash="h", spaces=frozenset(), scopes=frozenset(("read", "submit"))
)
SPACE = Space(
    space="demo", owner="root", title="", connections="many", start_timeout_s=60, execution_timeout_s=5, max_attempts=1
)


def given(space: Space, /, **changes: object) -> Space:
    return msgspec.structs.replace(space, **changes)


def test_keys_are_shown_by_name_with_scopes_in_their_usual_order() -> None:
    agent = msgspec.structs.replace(KEY, key_id="k2", kind="agent", name="A", scopes=frozenset(), spaces=frozenset("ba"))
    shown = keys_view([(KEY, 7), (agent, None)], now=100).keys
    assert [key.id for key in shown] == ["k2", "k1"]
    assert (shown[0].agent, shown[0].spaces, shown[0].last_used) == (True, ("a", "b"), None)
    assert (shown[1].scopes, shown[1].last_used) == (("submit", "read"), 7)


@pytest.mark.parametrize(("expires_at", "expired"), [(None, False), (101, False), (100, True), (99, True)])
def test_a_key_is_expired_from_its_instant_on(expires_at: int | None, expired: bool) -> None:
    key = msgspec.structs.replace(KEY, expires_at=expires_at)
    assert keys_view([(key, None)], now=100).keys[0].expired is expired


def test_one_s_own_spaces_come_first() -> None:
    shown = spaces_view([given(SPACE, space="a"), given(SPACE, space="z", owner="ada", visibility="private")], ADA).spaces
    assert [(card.id, card.own, card.private) for card in shown] == [("z", True, True), ("a", False, False)]


def test_a_page_offers_what_its_visitor_may_do() -> None:
    managed = given(SPACE, members={"ada": "manager"})
    seen = [space_view(space, user, "http://x") for space, user in ((SPACE, ADA), (managed, ADA), (SPACE, ROOT))]
    assert [(view.manages, view.deletes) for view in seen] == [(False, False), (True, False), (True, True)]


def test_whom_to_ask_is_told_to_members_and_administrators_alone() -> None:
    private = given(SPACE, visibility="private", members={"ada": "viewer"})
    seen = [use_view(*each, "http://x", 5, 9) for each in ((SPACE, ADA, ROOT), (private, ADA, ROOT), (SPACE, ROOT, ROOT))]
    assert [(view.submits, view.manages, view.ask) for view in seen] == [
        (True, False, ""),
        (False, False, "root@example.org"),
        (True, True, ""),
    ]
    assert use_view(given(SPACE, owner="ada"), ROOT, ADA, "http://x", 5, 9).ask == "ada@example.org"
    assert use_view(private, ADA, None, "http://x", 5, 9).ask == ""


def test_members_are_shown_by_address_and_those_unknown_by_their_ids() -> None:
    space = given(SPACE, members={"gone": "viewer", "ada": "manager"})
    view = members_view(space, {"ada": ADA, "root": ROOT})
    assert view.owner == "root@example.org"
    assert [(member.id, member.email, member.role) for member in view.members] == [
        ("gone", "", "viewer"),
        ("ada", "ada@example.org", "manager"),
    ]
    assert view.roles == ("viewer", "submitter", "manager")


def test_the_form_of_a_new_space_has_the_defaults_and_no_name() -> None:
    view = form_view(None, ADA, 1)
    assert (view.space.space, view.space.owner, view.space.start_timeout_s, view.deletes) == ("", "ada", 3600.0, False)
    assert form_view(SPACE, ROOT, 1).deletes


@pytest.mark.parametrize(
    ("code", "headers", "reason", "again_s"),
    [
        ("forbidden", {}, "forbidden", 0),
        ("not_found", {}, "not_found", 0),
        ("quota_exceeded", {"Retry-After": "7"}, "too_often", 7),
        ("unavailable", {"Retry-After": "soon"}, "away", 0),
        ("internal", {}, "broken", 0),
    ],
)
def test_an_error_page_says_what_to_do(code: str, headers: dict[str, str], reason: str, again_s: int) -> None:
    view = refused_view(code, headers)
    assert (view.status, view.reason, view.again_s) == (PROBLEMS[code].status, reason, again_s)


@pytest.mark.parametrize(
    ("path", "accept", "page"),
    [
        ("/spaces/none", "text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("/v1x", "text/html", True),
        ("/spaces/none", "*/*", False),
        ("/spaces/none", "", False),
        ("/v1", "text/html", False),
        ("/v1/spaces/none", "text/html", False),
        ("/static/0/none.css", "text/html", False),
        ("/metrics", "text/html", False),
    ],
)
def test_errors_are_pages_for_browsers_and_never_within_the_api(path: str, accept: str, page: bool) -> None:
    assert shown_as_page(path, accept) is page


def test_an_agent_is_shown_to_its_owner_and_administrators() -> None:
    users = {"ada": ADA, "root": ROOT}
    own, others = agent_view("ada", "gpu", ADA, users), agent_view("ada", "gpu", ROOT, users)
    assert own is not None
    assert others is not None
    assert (own.id, own.email, others.email) == ("ada/gpu", "", "ada@example.org")
    assert agent_view("root", "gpu", ADA, users) is None
    lost = agent_view("nobody", "gpu", ROOT, users)
    assert lost is not None
    assert lost.email == "nobody"


def test_only_administrators_are_told_who_may_have_agents() -> None:
    keys = [
        KEY,
        msgspec.structs.replace(KEY, key_id="k2", kind="agent"),
        msgspec.structs.replace(KEY, kind="agent", user="x"),
    ]
    users = {"ada": ADA, "root": ROOT}
    assert owners_for(ROOT, keys, users) == {"ada": "ada@example.org"}
    assert owners_for(ADA, keys, users) == {}
