"""The one error root of the services. The class says whether the same call may succeed later; errors carry data."""


class SpacesError(Exception):
    """Root of our errors."""


class Retryable(SpacesError):
    """Nothing is wrong with the call: try again later."""


class Final(SpacesError):
    """The same call will fail again."""


class NatsUnavailable(Retryable):
    """NATS did not answer in time, or nobody is there to answer."""
