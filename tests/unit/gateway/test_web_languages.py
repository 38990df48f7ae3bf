"""Which language a page is in, and what the catalogues say."""

import re

import pytest

from services.gateway.web import messages
from services.gateway.web.catalogues import SOURCE, catalogue, forms, script_words, translations
from services.gateway.web.languages import LANGUAGES, PSEUDO, chosen, negotiated
from services.gateway.web.pseudo import pseudo

TRANSLATED = [each for each in LANGUAGES if each != SOURCE]
PLACEHOLDER = re.compile(r"%\(\w+\)s")


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh-Hant-TW", "zh"),
        ("ZH", "zh"),
        ("de-DE,de;q=0.9,zh;q=0.5,en;q=0.4", "zh"),
        ("de,fr", "en"),
        ("zh;q=0, en;q=0.1", "en"),
        ("en;q=0.5, zh;q=0.7", "zh"),
        ("en, zh", "en"),
        ("*", "en"),
        ("zh;q=many", "en"),
        (";;,,=;q=", "en"),
        (PSEUDO, "en"),
    ],
)
def test_the_language_that_a_browser_likes_most_is_negotiated(accepted: str, language: str) -> None:
    assert negotiated(accepted) == language


def test_the_address_is_stronger_than_the_cookie_and_that_than_the_browser() -> None:
    assert chosen("en", "zh", "zh") == "en"
    assert chosen("", "zh", "en") == "zh"
    assert chosen("tlh", "../zh", "zh") == "zh"
    assert chosen(PSEUDO, "", "zh") == PSEUDO


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated_and_none_is_left_over(language: str) -> None:
    assert list(messages.untranslated(language)) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_keeps_the_placeholders(language: str) -> None:
    for message in catalogue(language):
        source = message.id if isinstance(message.id, str) else message.id[-1]
        if source:
            for form in forms(message):
                assert sorted(PLACEHOLDER.findall(form)) == sorted(PLACEHOLDER.findall(source)), source


def test_texts_of_templates_and_scripts_and_problems_are_found() -> None:
    found = messages.extracted()
    for text in ("Sign in", "Copied", "No such thing", ("In %(num)s day", "In %(num)s days")):
        assert text in found, text


def test_scripts_get_the_words_that_they_use_and_no_others() -> None:
    words = script_words()
    assert words["zh"]["Copied"] == "已复制"
    assert words["zh"]["At least %(num)s character."] == ["至少 %(num)s 个字符。"]
    assert words[PSEUDO].keys() == words["zh"].keys()
    assert words["en"] == {}
    assert "Settings" not in words["zh"]


def test_templates_are_told_in_their_language() -> None:
    known = translations()
    assert known["en"].gettext("Sign in") == "Sign in"
    assert known["zh"].gettext("Sign in") == "登录"
    assert known["zh"].ngettext("In %(num)s day", "In %(num)s days", 3) == "%(num)s 天后"
    assert known[PSEUDO].ngettext("one", "many", 2) == pseudo("many")


def test_the_pseudo_language_leaves_placeholders_and_markup_alone() -> None:
    text = pseudo("Delete <b>%(space)s</b> &amp; go")
    assert text.startswith("[")
    assert text.endswith("]")
    assert "<b>%(space)s</b> &amp;" in text
    assert "Dèlètè" in text.replace("é", "è")
