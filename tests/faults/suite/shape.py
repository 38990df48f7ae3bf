"""What a platform is made of."""


class Shape:
    """How many of what. `agents` names handlers of `suite.handlers`, one for each agent. With three NATS servers there are
    no wires to NATS: clients of a cluster learn other addresses than those that they were given."""

    def __init__(
        self,
        *,
        gateways: int = 2,
        registries: int = 2,
        dispatchers: int = 2,
        histories: int = 2,
        nats_servers: int = 1,
        agents: tuple[str, ...] = ("gentle", "gentle", "blocking"),
        slots: int = 4,
        keep_s: float = 3600.0,
    ) -> None:
        self.counts = {"gateway": gateways, "registry": registries, "dispatcher": dispatchers, "history": histories}
        self.nats_servers, self.agents, self.slots, self.keep_s = nats_servers, agents, slots, keep_s
