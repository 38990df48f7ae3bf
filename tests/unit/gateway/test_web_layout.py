"""What stands around every page: its addresses, its languages, and where one comes back to."""

import pytest

from services.contracts.accounts import User
from services.gateway.web.layout import layout, local_path, person, sign_in_url


@pytest.mark.parametrize("path", ["/", "/spaces", "/spaces/demo?tab=agents&x=%2F%2Fevil.example", "/spaces/#top", "/空间"])
def test_who_signs_in_comes_back_to_a_page_of_ours(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "spaces",
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "/a\\..\\evil",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " /spaces",
        "/spaces\x00",
        "/\u2028/evil.example",
        "//[evil",
        "/v1/session",
        "/v1",
    ],
)
def test_and_to_no_other_place(path: str) -> None:
    assert local_path(path) == "/"


def test_the_page_for_signing_in_remembers_where_one_comes_from() -> None:
    assert sign_in_url("/") == "/sign-in"
    assert sign_in_url("/spaces/demo?a=1&b=2") == "/sign-in?next=%2Fspaces%2Fdemo%3Fa%3D1%26b%3D2"


def test_the_same_page_is_linked_in_each_language() -> None:
    shown = layout("zh", "dark", None, "/sign-in", "next=%2Fkeys&lang=en")
    assert [(link.language, link.url, link.current) for link in shown.languages] == [
        ("en", "/sign-in?next=%2Fkeys&lang=en", False),
        ("zh", "/sign-in?next=%2Fkeys&lang=zh", True),
    ]
    assert shown.url == "/sign-in?next=%2Fkeys"


def test_a_theme_that_there_is_not_is_the_browser_s_own() -> None:
    assert layout("en", "dark", None, "/", "").theme == "dark"
    assert layout("en", '"><script>', None, "/", "").theme == ""


@pytest.mark.parametrize(
    ("path", "section"), [("/spaces/demo/settings", "spaces"), ("/keys/new", "keys"), ("/new-space", "spaces"), ("/", "")]
)
def test_a_page_belongs_to_a_section(path: str, section: str) -> None:
    assert layout("en", "", None, path, "").section == section


def test_an_administrator_is_known_as_one() -> None:
    user = User(user="u1", email="ada@example.org", role="admin", password_hash="x")
    assert person(user, "t").admin
