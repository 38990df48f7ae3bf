"""A stack with two gateways, for what must not depend on which of them is asked."""

from collections.abc import Iterator

import pytest

from tests.support.stack import Stack, fresh_home


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with fresh_home() as home, Stack(home, "--gateways", "2", "--no-demo") as running:
        yield running
