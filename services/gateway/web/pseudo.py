"""A language that nobody speaks: what it shows in brackets is in the catalogue, everything else on a page is not. Pure."""

import re

_LETTERS = str.maketrans("AEIOUaeioucnsyz", "ÀÉÎÖÛàéîöûçñšýž")
_KEPT = re.compile(r"%\(\w+\)s|%%|<[^>]*>|&\w+;")
"""Placeholders and markup stay what they are."""


def pseudo(text: str) -> str:
    """A text of the catalogue in the language: still readable, a third longer, in brackets."""
    pieces, end = [], 0
    for kept in _KEPT.finditer(text):
        pieces += [text[end : kept.start()].translate(_LETTERS), kept[0]]
        end = kept.end()
    pieces.append(text[end:].translate(_LETTERS))
    return f"[{''.join(pieces)}{'·' * (len(text) // 3)}]"
