"""What the pages about users and the audit show is decided without a browser."""

import msgspec

from services.contracts.accounts import Directory, User
from services.contracts.audit import TYPES
from services.gateway.web import user_views
from services.gateway.web.audit_views import audit_view
from services.gateway.web.user_views import user_view, users_view
from tests.unit.gateway.test_web_views import ADA, KEY, ROOT, SPACE, given


def people(*users: User) -> Directory:
    directory = Directory()
    directory.users = {user.user: user for user in users}
    directory.keys = {"k1": KEY, "k2": msgspec.structs.replace(KEY, key_id="k2")}
    directory.spaces = {
        "owned": given(SPACE, space="owned", owner="ada", members={"ada": "viewer"}),
        "demo": given(SPACE, members={"ada": "submitter"}),
        "other": given(SPACE, space="other"),
    }
    return directory


def test_users_are_shown_by_address_with_the_number_of_their_keys() -> None:
    view = users_view(people(ROOT, msgspec.structs.replace(ADA, disabled=True)), "")
    assert [(user.email, user.keys, user.admin, user.disabled) for user in view.users] == [
        ("ada@example.org", 2, False, True),
        ("root@example.org", 0, True, False),
    ]


def test_a_search_finds_parts_of_addresses_whatever_the_case() -> None:
    found = users_view(people(ROOT, ADA), " ADA@ ")
    assert (found.search, [user.id for user in found.users], found.found) == ("ADA@", ["ada"], 1)
    assert users_view(people(ROOT, ADA), "grace").users == ()


def test_of_very_many_users_some_are_shown_and_all_counted() -> None:
    many = [msgspec.structs.replace(ADA, user=f"u{n}", email=f"u{n}@example.org") for n in range(user_views.MOST + 5)]
    view = users_view(people(*many), "")
    assert (len(view.users), view.found) == (user_views.MOST, user_views.MOST + 5)


def test_a_user_is_shown_with_what_they_are_in_spaces() -> None:
    view = user_view(ADA, people(ROOT, ADA), [(KEY, 7)], 9, ROOT)
    assert [(each.space.space, each.part) for each in view.spaces] == [("demo", "submitter"), ("owned", "owner")]
    assert ([key.id for key in view.keys], view.path) == (["k1"], "/users/ada")
    assert (view.oneself, user_view(ROOT, people(ROOT), [], 9, ROOT).oneself) == (False, True)


def test_the_audit_knows_which_filters_are_set() -> None:
    assert not audit_view({"lang": "zh", "actor": " "}).filtered
    chosen = audit_view({"space": " demo ", "type": "space_paused"})
    assert chosen.filtered
    assert (chosen.chosen["space"], chosen.chosen["user"], chosen.types) == ("demo", "", TYPES)
