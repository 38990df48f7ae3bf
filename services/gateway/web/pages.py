"""Pages for people: templates of ours, without a script, a style or anything else from elsewhere."""

import hashlib
import re
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from services.gateway.web.reference import reference

_HERE = "services.gateway.web"
POLICY = "; ".join(
    [
        "default-src 'none'",
        "style-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
"""The Content-Security-Policy of a page: it loads our stylesheet and runs nothing."""
STYLESHEET = files(_HERE).joinpath("static/docs.css").read_bytes()
_CODE = re.compile(r"`([^`]+)`")
_EMPHASIS = re.compile(r"(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])")
_JSON = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=\s*:)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<value>-?\b\d[\d.eE+-]*|\b(?:true|false|null)\b)'
)


def documentation(openapi: dict[str, Any]) -> bytes:
    """The page that shows an OpenAPI document."""
    environment = Environment(
        loader=PackageLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"prose": prose, "paragraphs": paragraphs, "colored": colored}
    version = hashlib.sha256(STYLESHEET).hexdigest()[:12]
    return environment.get_template("docs.html").render(api=reference(openapi), stylesheet=version).encode()


def prose(text: str) -> Markup:
    """A text of ours as HTML: `code` and *emphasis* are marked up, everything else is escaped."""
    marked = _CODE.sub(r"<code>\1</code>", str(escape(text)))
    return Markup(_EMPHASIS.sub(r"<em>\1</em>", marked))  # noqa: S704 - escaped above


def paragraphs(text: str) -> Markup:
    """A longer text of ours as HTML; blank lines part its paragraphs."""
    return Markup("").join(Markup("<p>{}</p>").format(prose(each)) for each in text.split("\n\n"))


def colored(text: str) -> Markup:
    """JSON with its tokens marked, for the stylesheet to colour; what is no JSON may come out unmarked."""
    pieces: list[str | Markup] = []
    end = 0
    for match in _JSON.finditer(text):
        kind = match.lastgroup or ""
        pieces += [text[end : match.start()], Markup('<span class="{}">{}</span>').format(f"json-{kind}", match[0])]
        end = match.end()
    return Markup("").join([*pieces, text[end:]])
