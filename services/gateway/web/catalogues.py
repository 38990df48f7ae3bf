"""The texts of the pages in each language. Catalogues are read as translators write them, and compiled in memory at the
start: no compiled file can be forgotten or be older than its source."""

import io
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from services.contracts.problems import PROBLEMS
from services.gateway.web.languages import LANGUAGES, PSEUDO
from services.gateway.web.pseudo import pseudo

HERE = files("services.gateway.web")
SOURCE = "en"
"""The language that templates and scripts are written in."""
Words = dict[str, str | list[str]]
"""Texts of the source language, each with its translation; a text with a plural, with its forms."""


class PseudoTranslations(NullTranslations):
    """Every text that is asked for, in the pseudo language."""

    def gettext(self, message: str) -> str:
        return pseudo(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return pseudo(msgid1 if n == 1 else msgid2)


def catalogue(language: str) -> Catalog:
    """What a translator has written."""
    with HERE.joinpath(f"locale/{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def forms(message: Message) -> list[str]:
    """What a text has been translated to: one form, or more when it has a plural; empty ones are still to be written."""
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


def translations() -> dict[str, NullTranslations]:
    """The translations of each language, for templates."""
    found: dict[str, NullTranslations] = {SOURCE: NullTranslations(), PSEUDO: PseudoTranslations()}
    return found | {each: _compiled(catalogue(each)) for each in LANGUAGES if each != SOURCE}


def script_words() -> dict[str, Words]:
    """The texts of each language that scripts need: those in scripts, and the titles of problems."""
    translated = {each: _of_scripts(catalogue(each)) for each in LANGUAGES if each != SOURCE}
    known = next(iter(translated.values()))
    return {SOURCE: {}, PSEUDO: {text: _pseudo_forms(text, known[text]) for text in known}, **translated}


def _compiled(catalog: Catalog) -> NullTranslations:
    file = io.BytesIO()
    write_mo(file, catalog)
    file.seek(0)
    return GNUTranslations(file)


def _of_scripts(catalog: Catalog) -> Words:
    titles = {kind.title for kind in PROBLEMS.values()}
    found: Words = {}
    for message in catalog:
        singular = message.id if isinstance(message.id, str) else message.id[0]
        if singular in titles or any(path.endswith(".js") for path, _ in message.locations):
            found[singular] = message.string if isinstance(message.string, str) else forms(message)
    return found


def _pseudo_forms(text: str, forms: str | list[str]) -> str | list[str]:
    return pseudo(text) if isinstance(forms, str) else [pseudo(text)]
