"""The client of WebSocket Spaces: submit requests, follow what happens to them, cancel and retry them; and files."""

from spaces_client.accounts import Key, MadeKey, User
from spaces_client.async_client import AsyncClient
from spaces_client.audit import AuditEvent
from spaces_client.client import Client
from spaces_client.errors import ClientError, ConfigError, DamagedFile, InvalidAnswer, ProblemError, Unreachable
from spaces_client.files import File, references
from spaces_client.objects import ConnectedAgent, Request
from spaces_client.signing_in import sign_in
from spaces_client.spaces import Space, SpaceHealth, SpaceQueue
from spaces_client.submission import Policy
from spaces_client.timeline import Timeline
from spaces_client.version import __version__

__all__ = [
    "AsyncClient",
    "AuditEvent",
    "Client",
    "ClientError",
    "ConfigError",
    "ConnectedAgent",
    "DamagedFile",
    "File",
    "InvalidAnswer",
    "Key",
    "MadeKey",
    "Policy",
    "ProblemError",
    "Request",
    "Space",
    "SpaceHealth",
    "SpaceQueue",
    "Timeline",
    "Unreachable",
    "User",
    "__version__",
    "references",
    "sign_in",
]
