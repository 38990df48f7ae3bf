"""Each overlay, rendered once; and what these tests need that Python does not bring."""

import os
from collections.abc import Callable
from functools import cache

import pytest

from tests.deploy.suite import postgres, published
from tests.deploy.suite.decoded import DecoderMissing, decoder
from tests.deploy.suite.missing import SchemaMissing
from tests.deploy.suite.objects import Stack
from tests.deploy.suite.render import CannotRender, kustomize, rendered


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    """Whoever has no Go or Rust goes on without these tests, but for CI."""
    try:
        kustomize(), decoder(), published.schemas(), postgres.schemas()
    except (CannotRender, DecoderMissing, SchemaMissing) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def overlay() -> Callable[[str], Stack]:
    """Gives an overlay by its name."""
    return cache(rendered)
