"""Each overlay, rendered once."""

from functools import cache

import pytest

from tests.deploy.suite.objects import Stack
from tests.deploy.suite.render import rendered


@pytest.fixture(scope="session")
def overlay():
    """Gives an overlay by its name."""
    return cache(rendered)


__all__ = ["Stack", "overlay"]
