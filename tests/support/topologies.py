"""NATS as one server, and as a cluster of three: what is promised holds on both."""

import contextlib
from dataclasses import dataclass
from typing import Any

from services.runtime.settings import Settings
from tests.support.bus import Bus, running_bus
from tests.support.cluster import Cluster
from tests.support.servers import Servers, running_servers


@dataclass(frozen=True)
class Topology:
    """One server, started for each test, or a cluster, which many tests use one after the other."""

    cluster: Cluster | None = None

    @property
    def replicas(self) -> int:
        """How many replicas each stream has."""
        return 1 if self.cluster is None else len(self.cluster.servers)

    def settings(self, **others: Any) -> Settings:
        """What streams are to be provisioned with."""
        return Settings(replicas=self.replicas, **others)

    def servers(self, *, postgres: bool = True) -> Servers:
        """Servers without streams."""
        return Servers(postgres=postgres, sync_interval="2m", cluster=self.cluster)

    def running_servers(self) -> contextlib.AbstractAsyncContextManager[Servers]:
        """Only NATS, without streams, for asyncio."""
        return running_servers(postgres=False, sync_interval="2m", cluster=self.cluster)

    def bus(self, **settings: Any) -> contextlib.AbstractAsyncContextManager[Bus]:
        """A `Bus` whose streams are provisioned by these settings, and empty."""
        return running_bus(self.settings(**settings), cluster=self.cluster)
