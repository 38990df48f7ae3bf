"""All rules of our own."""

from tests.deploy.suite.findings import Rule
from tests.deploy.suite.rules import availability, jobs, nats, network, probes, resources, security, settings, wiring

RULES: tuple[Rule, ...] = (
    *wiring.RULES,
    *settings.RULES,
    *probes.RULES,
    *security.RULES,
    *resources.RULES,
    *availability.RULES,
    *jobs.RULES,
    *network.RULES,
    *nats.RULES,
)
