"""Tests that ask for `topology` run on one NATS server and on a cluster of three. Passwords are hashed quickly in all."""

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from services.registry import passwords
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


@pytest.fixture(scope="module", autouse=True)
def quick_passwords() -> Iterator[None]:
    """In registries of this process a password costs some milliseconds. What it costs in production takes a busy machine so
    long that callers no longer wait for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1))
        passwords._nobodys.cache_clear()
        yield
    passwords._nobodys.cache_clear()
