"""What a browser shows, and which pages may use it."""

import pytest

from services.contracts.accounts import Directory
from services.contracts.directory import DirectoryEvent, PasswordChanged, UserCreated, UserDisabled, entry_of
from services.contracts.sign_in import SessionRecord
from services.gateway.problems import ApiProblem
from services.gateway.web_sessions import (
    SESSION_S,
    check_page,
    cookie,
    csrf_token,
    flaw,
    token_of,
)

S = 1_000_000_000
GUARD = {b"x-csrf-token": csrf_token("t").encode()}
ADA = UserCreated(id="e", prev_seq=0, actor="system", user="ada", email="a@b", role="member", password_hash="h")


def directory(*events: DirectoryEvent) -> Directory:
    folded = Directory()
    for seq, event in enumerate([ADA, *events], 1):
        folded.apply(event, *entry_of(event), seq)
    return folded


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (b"ws_session=abc", "abc"),
        (b"a=b; ws_session=abc; c=d", "abc"),
        (b"ws_session=", None),
        (b"other=1", None),
        (b"", None),
        (b"\xff;;=", None),
        (b"ws_session", None),
        (b"not_ws_session=abc; ws_session_=abc", None),
        (b'theme={"dark":true}; ws_session=abc', "abc"),
        (b'a b=c d; "; caf\xc3\xa9=1; =; expires; ws_session=abc; x="', "abc"),
    ],
)
def test_the_token_is_found_among_other_cookies(header: bytes, token: str | None) -> None:
    assert token_of({b"cookie": header}) == token


def test_without_cookies_there_is_no_token() -> None:
    assert token_of({}) is None


def test_what_changes_something_needs_the_token_of_its_session() -> None:
    check_page("GET", {}, "t")
    check_page("POST", GUARD, "t")
    for wrong in ({}, {b"x-csrf-token": b""}, {b"x-csrf-token": csrf_token("other").encode()}):
        with pytest.raises(ApiProblem, match="X-CSRF-Token"):
            check_page("DELETE", wrong, "t")


def test_the_token_of_a_page_does_not_tell_the_session_s() -> None:
    assert "t" * 10 not in csrf_token("t" * 10)
    assert csrf_token("a") != csrf_token("b")


def test_the_cookie_is_for_tls_alone_where_there_is_tls() -> None:
    assert cookie("t", secure=True).endswith("; Secure")
    assert cookie("t", secure=False) == f"ws_session=t; Path=/; HttpOnly; SameSite=Lax; Max-Age={SESSION_S}"
    assert "Max-Age=0" in cookie("", secure=False)


def test_a_session_is_good_until_its_time_is_over() -> None:
    record = SessionRecord(user="ada", made_at=7 * S, password_seq=1)
    assert flaw(record, directory(), (7 + SESSION_S) * S - 1) == ""
    assert flaw(record, directory(), (7 + SESSION_S) * S) == "expired"


def test_a_session_ends_with_its_user_and_with_the_password() -> None:
    record = SessionRecord(user="ada", made_at=7 * S, password_seq=1)
    changed = PasswordChanged(id="e", prev_seq=1, actor="user:ada", user="ada", password_hash="new")
    disabled = UserDisabled(id="e", prev_seq=1, actor="system", user="ada")
    assert flaw(record, directory(changed), 8 * S) == "password"
    assert flaw(record, directory(disabled), 8 * S) == "disabled"
    assert flaw(record, Directory(), 8 * S) == "unknown"


def test_a_session_of_a_password_that_is_not_known_here_yet_is_good() -> None:
    assert flaw(SessionRecord(user="ada", made_at=7 * S, password_seq=2), directory(), 8 * S) == ""
