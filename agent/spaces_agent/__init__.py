"""The agent of WebSocket Spaces: serve inference requests from a machine that nobody can reach."""

from spaces_agent.agent import Agent
from spaces_agent.errors import AgentError, ClosedForGood, ConfigError, FileFailed, FileGone, Retry
from spaces_agent.files import File, Files
from spaces_agent.handler import Context
from spaces_agent.version import __version__

__all__ = [
    "Agent",
    "AgentError",
    "ClosedForGood",
    "ConfigError",
    "Context",
    "File",
    "FileFailed",
    "FileGone",
    "Files",
    "Retry",
    "__version__",
]
