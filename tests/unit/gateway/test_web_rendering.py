"""Pages as they are rendered: whatever people have named things, and with nothing that the policy forbids."""

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from services.contracts.accounts import Directory, User
from services.gateway.api.watching_operations import PLATFORM, STATS_SERIES
from services.gateway.platform import InstanceObject, PlatformObject, ServiceObject
from services.gateway.rules import RULES, Finding
from services.gateway.series import SeriesObject
from services.gateway.web.account_views import NoView, SigningInView
from services.gateway.web.agent_views import AgentsView, AgentView, ConnectionsView
from services.gateway.web.assets import Assets, assets
from services.gateway.web.audit_views import FILTERS, audit_view
from services.gateway.web.key_views import LIFETIMES_DAYS, SCOPES, NewKeyView, keys_view
from services.gateway.web.languages import LANGUAGES, PSEUDO
from services.gateway.web.layout import Person, layout
from services.gateway.web.member_views import members_view
from services.gateway.web.overview_views import ChartsView, OverviewView, charts_view, state_view, windows
from services.gateway.web.refusals import refused_view
from services.gateway.web.rendering import Renderer
from services.gateway.web.request_views import requests_view
from services.gateway.web.space_views import form_view, space_view, spaces_view
from services.gateway.web.use_views import use_view
from services.gateway.web.user_views import user_view, users_view
from tests.support.html import Reading
from tests.unit.gateway.requests_shown import hostile_requests
from tests.unit.gateway.test_web_views import ADA, KEY, ROOT, SPACE

WEB = Path(__file__).resolve().parents[3] / "services/gateway/web"
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 1234 * 1000 }}"
SHOUTED = re.compile(r"<script>|<img src=x|1234000")
NAMED = msgspec.structs.replace(SPACE, title=HOSTILE)
STRICT = msgspec.structs.replace(NAMED, visibility="private", on_no_agent="reject", features=("prompt", "file"))
NAMELESS = User(user="x", email=HOSTILE, role="member", password_hash="x")
PEOPLE = Directory()
PEOPLE.users = {
    "x": NAMELESS,
    "off": msgspec.structs.replace(NAMELESS, user="off", role="admin", disabled=True),
    "root": ROOT,
}
PEOPLE.spaces = {"demo": msgspec.structs.replace(NAMED, owner="x", members={"off": "manager"})}
FINDINGS = [Finding(rule, "critical", space=HOSTILE, subject=HOSTILE, amount=3, limit=7, for_s=9) for rule in RULES]
SERIES = msgspec.structs.replace(cast(SeriesObject, STATS_SERIES.answers[200].example), space=HOSTILE)
UNWELL = msgspec.structs.replace(
    cast(PlatformObject, PLATFORM.answers[200].example),
    services=[
        ServiceObject(service="gateway", instances=[]),
        ServiceObject(
            service=HOSTILE,
            instances=[InstanceObject(id=HOSTILE, since=None, version=HOSTILE, host=HOSTILE, heard_s=10, current=False)],
        ),
    ],
)


def overview(findings: list[Finding] | None, platform: PlatformObject | None, charts: ChartsView | None) -> OverviewView:
    return OverviewView(
        window="1h",
        windows=windows("1h", HOSTILE),
        space=HOSTILE,
        spaces=(HOSTILE,),
        every_s=10,
        whole=platform is not None,
        state=state_view(findings, platform),
        charts=charts,
    )


VIEWS: list[tuple[str, Any]] = [
    ("overview.html", overview(FINDINGS, UNWELL, charts_view(SERIES))),
    ("overview.html", overview(None, None, None)),
    ("overview.html", overview([], None, charts_view(msgspec.structs.replace(SERIES, accepted=0, ended={})))),
    ("sign_in.html", SigningInView(f"/{HOSTILE}", True)),
    *(("sign_in.html", SigningInView("/", False, why)) for why in ("disabled", "password", "ended")),
    ("sign_up.html", SigningInView(f"/{HOSTILE}", True)),
    ("sign_up.html", SigningInView("/", False)),
    ("password_reset.html", NoView()),
    ("account.html", NoView()),
    ("keys.html", keys_view([(msgspec.structs.replace(KEY, name=HOSTILE, origins=frozenset((HOSTILE,))), 5)], 9)),
    ("keys.html", keys_view([], 9)),
    ("new_key.html", NewKeyView(SCOPES, (NAMED,), LIFETIMES_DAYS)),
    ("spaces.html", spaces_view([NAMED], ADA)),
    ("spaces.html", spaces_view([], ADA)),
    ("space_agents.html", space_view(NAMED, ROOT, f"http://{HOSTILE}")),
    *(("use.html", use_view(NAMED, who, NAMELESS, f"http://{HOSTILE}", 5, 9)) for who in (ROOT, ADA)),
    ("use.html", use_view(STRICT, ADA, NAMELESS, "", 5, 9)),
    ("agents.html", AgentsView({HOSTILE: HOSTILE})),
    ("agents.html", AgentsView({})),
    ("agent.html", AgentView(HOSTILE, HOSTILE, HOSTILE)),
    ("connections.html", ConnectionsView(HOSTILE, "", (HOSTILE,), {HOSTILE: HOSTILE})),
    ("connections.html", ConnectionsView("", "", (), {})),
    ("members.html", members_view(msgspec.structs.replace(NAMED, members={"x": "manager"}), {"x": NAMELESS})),
    ("members.html", members_view(msgspec.structs.replace(NAMED, visibility="private", members={"y": "viewer"}), {})),
    ("space_form.html", form_view(NAMED, ROOT, 10**9)),
    ("space_form.html", form_view(msgspec.structs.replace(NAMED, input_schema={"type": "object"}), ADA, 1)),
    ("space_form.html", form_view(None, ROOT, 1)),
    ("requests.html", requests_view([NAMED], ROOT, {"x": NAMELESS})),
    ("requests.html", requests_view([], ADA, {})),
    *(("request.html", view) for view in hostile_requests(HOSTILE)),
    ("users.html", users_view(PEOPLE, "")),
    ("users.html", users_view(PEOPLE, HOSTILE + "nobody")),
    ("new_user.html", NoView()),
    *(("user.html", user_view(user, PEOPLE, [(KEY, 5)], 9, ROOT)) for user in PEOPLE.users.values()),
    ("user.html", user_view(NAMELESS, PEOPLE, [], 9, NAMELESS)),
    ("audit.html", audit_view(dict.fromkeys(FILTERS, HOSTILE))),
    ("audit.html", audit_view({})),
    *(("refused.html", refused_view(code, {"Retry-After": "2"})) for code in ("forbidden", "not_found", "quota_exceeded")),
    *(("refused.html", refused_view(code, {})) for code in ("unavailable", "internal")),
]
OPEN = {"sign_in.html", "sign_up.html", "password_reset.html", "refused.html"}
"""Pages that are also shown to who is not signed in."""
RENDERER = Renderer(assets())


@pytest.mark.parametrize("language", [*LANGUAGES, PSEUDO])
@pytest.mark.parametrize(("template", "view"), VIEWS)
def test_hostile_names_stay_text_and_nothing_inline_is_left(template: str, view: Any, language: str) -> None:
    person = Person(id=HOSTILE, email=HOSTILE, admin=True, csrf_token="t")
    for who in (None, person) if template in OPEN else (person,):
        page = RENDERER.page(template, layout(language, HOSTILE, who, "/spaces", f"q={HOSTILE}"), view).decode()
        assert not SHOUTED.search(page)
        read = Reading(page)
        assert read.open == []
        assert not [name for _, name, _ in read.attributes if name == "style" or name.startswith("on")]
        assert not {"style", "iframe", "object"} & set(read.tags)
        assert len(read.values("src")) == read.tags.count("script") + read.tags.count("img")
        assert all(value.startswith("/static/") for value in read.values("src"))
        assert all(re.match("/(?!/)|#", value) for value in read.values("href"))
        assert len(read.values("id")) == len(set(read.values("id")))


def test_each_template_with_a_page_is_rendered_here() -> None:
    pages = {path.name for path in WEB.glob("templates/*.html") if '{% extends "base.html" %}' in path.read_text()}
    assert pages == {template for template, _ in VIEWS}


def test_scripts_write_no_markup() -> None:
    for path in WEB.glob("static/*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write\b|\beval\b", path.read_text()), (
            path.name
        )


def test_the_address_of_a_file_changes_with_any_of_them() -> None:
    one, two = Assets({"a.css": b"1", "b.js": b"2"}), Assets({"a.css": b"1", "b.js": b"3"})
    assert one.url("a.css") != two.url("a.css")
    assert one.url("a.css") == Assets({"b.js": b"2", "a.css": b"1"}).url("a.css")
    with pytest.raises(KeyError):
        one.url("c.css")


def test_every_file_is_part_of_the_installed_package() -> None:
    pyproject = tomllib.loads((WEB.parents[2] / "pyproject.toml").read_text())
    patterns = pyproject["tool"]["setuptools"]["package-data"]["services.gateway.web"]
    for path in (*WEB.glob("templates/*"), *WEB.glob("static/*"), *WEB.glob("locale/*")):
        assert any(fnmatch(str(path.relative_to(WEB)), pattern) for pattern in patterns), path


def test_what_a_form_for_the_api_holds_is_no_part_of_an_address_if_its_script_has_not_run() -> None:
    forms = [
        form
        for path in WEB.glob("templates/*.html")
        for form in re.findall(r"<form\b[^>]*", path.read_text())
        if "data-path" in form
    ]
    assert len(forms) > 10
    assert [form for form in forms if ' method="post" ' not in form] == []
