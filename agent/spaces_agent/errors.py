"""Errors of the agent. One root; each class says by itself whether trying again can help."""


class AgentError(Exception):
    """Root of all errors that the agent raises on purpose. Its text is one line that a user may read."""


class ConfigError(AgentError):
    """The agent was set up wrongly (address, key, space, name, state directory): trying again does not help."""


class BadHandler(ConfigError, TypeError):
    """This function cannot be a handler."""


class SetupFailed(AgentError):
    """The user's setup function raised an error: there is nothing to serve with."""


class ClosedForGood(AgentError):
    """The gateway closed the session with a final code (4500-4599): trying again does not help."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class FileFailed(AgentError):
    """A file could not be brought or taken. A handler that lets it pass fails its request; `retryable`: another attempt may
    do better."""

    def __init__(self, reason: str, *, retryable: bool) -> None:
        super().__init__(reason)
        self.retryable = retryable


class FileGone(FileFailed):
    """The file is there no more: it has expired, or its owner has deleted it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, retryable=False)


class Retry(Exception):
    """For handlers to raise: this attempt has failed, and another one, later and perhaps elsewhere, may succeed. The request
    is tried again as often as its `max_attempts` allow; the text is what its user reads if that does not help either."""
