"""The page of documentation shows all that the OpenAPI document says, and runs and loads nothing from elsewhere."""

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

from services.gateway.api.operations import OPERATIONS
from services.gateway.openapi import built
from services.gateway.web import pages
from tests.support.html import Reading

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = built(OPERATIONS)
PAGE = pages.documentation(DOCUMENT).decode()


READ = Reading(PAGE)
TEXT = READ.text.replace("\u200b", "")


def test_it_is_well_formed() -> None:
    assert READ.open == []
    assert len(READ.values("id")) == len(set(READ.values("id")))


def test_it_runs_nothing_and_loads_only_the_stylesheet() -> None:
    assert not {"script", "style", "iframe", "img", "object", "form"} & set(READ.tags)
    assert not [name for _, name, _ in READ.attributes if name == "style" or name.startswith("on")]
    assert not READ.values("src")
    loaded = [value for tag, name, value in READ.attributes if (tag, name) == ("link", "href")]
    assert len(loaded) == 1
    assert re.fullmatch(r"/docs\.css\?[0-9a-f]{12}", loaded[0])
    assert not re.search(rb"url\(|@import", pages.STYLESHEET)
    assert "'unsafe" not in pages.POLICY


def test_every_link_leads_somewhere_on_the_page_or_to_the_document() -> None:
    links = [value for tag, name, value in READ.attributes if (tag, name) == ("a", "href")]
    assert {link for link in links if not link.startswith("#")} == {"/openapi.json"}
    assert {link[1:] for link in links if link.startswith("#")} <= set(READ.values("id"))


def test_it_shows_every_operation_with_all_that_is_said_of_it() -> None:
    for operation in OPERATIONS:
        assert operation.id in READ.values("id")
        shown = [operation.summary, operation.path, *(each.name for each in operation.parameters), *operation.problems]
        assert not [text for text in shown if text not in TEXT]
        assert f'curl -s{"" if operation.method == "GET" else f" -X {operation.method}"} "$URL/' in TEXT
    assert TEXT.count('-H "Authorization: Bearer $API_KEY"') >= len(OPERATIONS)


def test_it_shows_every_schema_with_its_members() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert f"schema-{name}" in READ.values("id")
        assert not [member for member in schema.get("properties", {}) if member not in TEXT]


def test_texts_are_escaped() -> None:
    assert pages.prose("a <b> & `<c>`") == "a &lt;b&gt; &amp; <code>&lt;c&gt;</code>"
    assert pages.colored('{"<k>": "<v>"}').count("&lt;") == 2


def test_json_is_marked_up_and_stays_the_same_text() -> None:
    text = '{"a": [1, -2.5e3, true, null, "b\\"c: 1"]}'
    marked = pages.colored(text)
    assert Reading(str(marked)).text == text
    assert '<span class="json-key">&#34;a&#34;</span>' in marked
    assert '<span class="json-value">-2.5e3</span>' in marked


def test_everything_that_it_needs_is_in_the_package() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    web = ROOT / "services" / "gateway" / "web"
    kept = [
        path.relative_to(web).as_posix() for path in web.rglob("*") if path.is_file() and path.suffix in {".html", ".css"}
    ]
    assert len(kept) >= 2
    assert [name for name in kept if not any(fnmatch(name, pattern) for pattern in package["services.gateway.web"])] == []
