"""Bring the catalogues up to date: `make messages` puts new texts of templates and scripts into each, to be translated."""

import io
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import write_po

from services.contracts.problems import PROBLEMS
from services.gateway.web.catalogues import SOURCE, catalogue, forms
from services.gateway.web.languages import LANGUAGES

WEB = Path(__file__).parent
_JINJA = "jinja2.ext:babel_extract"
_IN_SCRIPTS = {"t": None, "tn": (1, 2)}
_IN_TEMPLATES = {"_": None, "gettext": None, "ngettext": (1, 2)}
_CHANGING = (b'"POT-Creation', b'"PO-Revision', b'"Last-Translator', b'"Language-Team', b'"Report-Msgid', b'"Generated-By')
"""Headers of a catalogue that would make a change out of nothing."""
_OPTIONS = {"trimmed": "true", "newstyle_gettext": "true"}


def extracted() -> Catalog:
    """Every text that needs a translation, with the files that use it."""
    found = Catalog(project="WebSocket Spaces", charset="utf-8")
    for path in sorted(WEB.glob("templates/*.html")):
        for _, message, _, _ in extract_from_file(_JINJA, path, keywords=_IN_TEMPLATES, options=_OPTIONS):
            found.add(message, locations=[(f"templates/{path.name}", 0)])
    for path in sorted(WEB.glob("static/*.js")):
        for _, message, _, _ in extract_from_file("javascript", path, keywords=_IN_SCRIPTS):
            found.add(message, locations=[(f"static/{path.name}", 0)])
    for kind in PROBLEMS.values():
        found.add(kind.title)
    return found


def untranslated(language: str) -> Iterator[str]:
    """Texts that a catalogue lacks, has as a guess, or has although nothing uses them."""
    wanted, there = extracted(), catalogue(language)
    for message in wanted:
        found = there.get(message.id)
        if message.id and (found is None or found.fuzzy or not all(forms(found))):
            yield f"not translated: {message.id}"
    yield from (f"not used: {message.id}" for message in there if message.id and message.id not in wanted)


def update(language: str) -> None:
    """Write the catalogue of a language anew, with what has been translated already."""
    there = catalogue(language)
    there.update(extracted(), no_fuzzy_matching=True, update_header_comment=False)
    there.obsolete.clear()
    written = io.BytesIO()
    write_po(written, there, width=120, include_lineno=False, sort_output=True)
    kept = (line for line in written.getvalue().splitlines(keepends=True) if not line.startswith(_CHANGING))
    (WEB / f"locale/{language}.po").write_bytes(b"".join(kept))


if __name__ == "__main__":
    for each in LANGUAGES:
        if each != SOURCE:
            update(each)
            print("\n".join([f"locale/{each}.po", *untranslated(each)]))
