"""Tests that ask for `topology` run on a single NATS server and on a cluster of three."""

from collections.abc import Iterator

import pytest

from tests.support.cluster import Cluster, running_cluster
from tests.support.topologies import Topology


@pytest.fixture(scope="session")
def three_servers() -> Iterator[Cluster]:
    """A cluster that is started once, when the first test wants one: whoever uses it empties it first."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module", params=["one", "three"])
def topology(request: pytest.FixtureRequest) -> Topology:
    """NATS as one server, and as a cluster of three."""
    return Topology(request.getfixturevalue("three_servers") if request.param == "three" else None)
