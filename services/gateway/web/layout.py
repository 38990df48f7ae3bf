"""What every page shows around its content, and the addresses in it. Pure."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from services.contracts.accounts import User
from services.gateway.web.languages import LANGUAGES

THEMES = ("light", "dark")
THEME_COOKIE = "ws_theme"
_ENTRIES = {"new-space": "spaces", "connections": "agents"}
"""Entries of the navigation for pages whose path does not begin with theirs: a space may be called `new`."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in. Forms send `csrf_token` along."""

    id: str
    email: str
    admin: bool
    csrf_token: str


@dataclass(frozen=True, slots=True)
class LanguageLink:
    """The page that is shown, in another language or this one."""

    language: str
    name: str
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """`theme` is empty as long as the browser's own preference holds; `person` is None when nobody is signed in; `url` is
    the page's path with its query; `section` the entry of the navigation that it belongs to."""

    language: str
    theme: str
    person: Person | None
    url: str
    section: str
    languages: tuple[LanguageLink, ...]


def layout(language: str, theme: str, person: Person | None, path: str, query: str) -> Layout:
    """The layout of the page at a path with a query."""
    url = _address(path, [each for each in parse_qsl(query) if each[0] != "lang"])
    return Layout(
        language=language,
        theme=theme if theme in THEMES else "",
        person=person,
        url=url,
        section=_ENTRIES.get(section := path.split("/")[1], section),
        languages=tuple(
            LanguageLink(each, name, _in_language(path, query, each), each == language) for each, name in LANGUAGES.items()
        ),
    )


def person(user: User, csrf_token: str) -> Person:
    """A user who is signed in."""
    return Person(id=user.user, email=user.email, admin=user.role == "admin", csrf_token=csrf_token)


def local_path(wanted: str) -> str:
    """Where to go on after signing in: `wanted` if it is a page of ours, else the start. What browsers might take for
    another host (`//host`, `/\\host`, a scheme), or would read otherwise than we do, is not."""
    if not wanted.startswith("/") or wanted.startswith("//") or "\\" in wanted or not wanted.isprintable():
        return "/"
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return "/"
    return wanted if not parts.scheme and not parts.netloc and parts.path.split("/")[1] != "v1" else "/"


def sign_in_url(back: str) -> str:
    """The page for signing in, from where one comes back."""
    return "/sign-in" if back == "/" else _address("/sign-in", [("next", back)])


def _in_language(path: str, query: str, language: str) -> str:
    return _address(path, [*(each for each in parse_qsl(query) if each[0] != "lang"), ("lang", language)])


def _address(path: str, query: list[tuple[str, str]]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
