"""Views become pages: a template of ours for each, in each language."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from services.contracts.instants import rfc3339
from services.gateway.web.assets import Assets
from services.gateway.web.catalogues import translations
from services.gateway.web.layout import Layout

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
)
"""The Content-Security-Policy of a page: it loads and calls nothing but us, and no script or style stands in it."""


class Renderer:
    """Renders templates."""

    def __init__(self, assets: Assets) -> None:
        self._environments = {language: _environment(assets, each) for language, each in translations().items()}

    def page(self, template: str, layout: Layout, view: Any) -> bytes:
        """The page that a template makes of a view."""
        return self._environments[layout.language].get_template(template).render(layout=layout, view=view).encode()


def _environment(assets: Assets, translated: Any) -> Environment:
    environment = Environment(
        loader=PackageLoader("services.gateway.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(translated, newstyle=True)  # type: ignore[attr-defined]
    environment.globals["asset"] = assets.url
    environment.filters["instant"] = rfc3339
    return environment
