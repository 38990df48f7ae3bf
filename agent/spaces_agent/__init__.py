"""The agent of WebSocket Spaces: serve inference requests from a machine that nobody can reach."""

from spaces_agent.agent import Agent
from spaces_agent.errors import AgentError, ClosedForGood, ConfigError, Retry
from spaces_agent.handler import Context
from spaces_agent.version import __version__

__all__ = ["Agent", "AgentError", "ClosedForGood", "ConfigError", "Context", "Retry", "__version__"]
