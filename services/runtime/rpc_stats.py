"""What `nats micro stats` shows of our services: how long answers took, and how many were refusals.

The client's own statistics end where a question is handed off to the task that answers it.
"""

from collections import defaultdict
from dataclasses import dataclass, replace

from nats.aio.client import Client
from nats.micro.service import EndpointStats, Service, ServiceConfig, ServiceStats


@dataclass(slots=True)
class Tally:
    """The answers of one endpoint. `busy_ns`: from a question's arrival to its answer, all together; `last_error`: the code
    of the last refusal, without its text, which may name people."""

    answers: int = 0
    errors: int = 0
    busy_ns: int = 0
    last_error: str = ""

    def count(self, elapsed_ns: int, error: str = "") -> None:
        """One more answer; `error` is its code when it was a refusal."""
        self.answers += 1
        self.busy_ns += elapsed_ns
        if error:
            self.errors += 1
            self.last_error = error


class CountingService(Service):
    """A micro service whose statistics are those of `tallies`, by endpoint."""

    def __init__(self, nc: Client, config: ServiceConfig) -> None:
        super().__init__(nc, config)
        self.tallies: dict[str, Tally] = defaultdict(Tally)

    def stats(self) -> ServiceStats:
        """What a question for statistics is answered with."""
        found = super().stats()
        return replace(found, endpoints=[self._counted(endpoint) for endpoint in found.endpoints])

    def _counted(self, endpoint: EndpointStats) -> EndpointStats:
        tally = self.tallies[endpoint.name]
        return replace(
            endpoint,
            num_errors=tally.errors,
            last_error=tally.last_error,
            processing_time=tally.busy_ns,
            average_processing_time=tally.busy_ns // max(tally.answers, 1),
        )
