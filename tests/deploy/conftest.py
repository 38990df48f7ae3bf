"""Each overlay, rendered once."""

from collections.abc import Callable
from functools import cache

import pytest

from tests.deploy.suite.objects import Stack
from tests.deploy.suite.render import rendered


@pytest.fixture(scope="session")
def overlay() -> Callable[[str], Stack]:
    """Gives an overlay by its name."""
    return cache(rendered)
