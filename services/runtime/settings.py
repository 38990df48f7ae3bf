"""Settings: `WS_*` environment variables, read once at start."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from services.runtime.outside import networks, public_origin
from services.runtime.secret_files import SECRETS, SettingsError, signing_keys, with_secrets

__all__ = ["ELSEWHERE", "PREFIX", "Settings", "SettingsError", "read"]

PREFIX = "WS_"

_Limit = Annotated[str, msgspec.Meta(pattern="^([1-9][0-9]{0,6}/[1-9][0-9]{0,4})?$")]
"""Calls, and in how many seconds; empty: no limit."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename=lambda field: PREFIX + field.upper()):
    """All that a service may be told from outside. Durations are seconds, sizes bytes."""

    nats_url: str = "nats://127.0.0.1:4222"
    database_url: str = ""
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 5001
    """The gateway's HTTP port."""
    health_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """Where a service answers /healthz, /readyz and /metrics; 0: nowhere, but for gateways, on their own port."""
    drain_delay: Annotated[float, msgspec.Meta(ge=0, le=600)] = 0.0
    """How long a process that is told to stop goes on, no longer ready, before it drains."""
    log_level: str = "info"
    stream_keep: Annotated[float, msgspec.Meta(ge=600)] = 3600.0
    """How long closed requests stay in the stream at least."""
    stream_max_bytes: Annotated[int, msgspec.Meta(ge=16 * 1024 * 1024)] = 8 * 1024**3
    output_max_bytes: Annotated[int, msgspec.Meta(ge=16 * 1024 * 1024)] = 1024**3
    """How much output the stream for those who watch holds; the oldest goes first."""
    files_max_bytes: Annotated[int, msgspec.Meta(ge=16 * 1024 * 1024)] = 8 * 1024**3
    """How much all files together may take; no more are taken then."""
    file_max_bytes: Annotated[int, msgspec.Meta(ge=1)] = 1024**3
    """How large one file may be."""
    files_key_max_bytes: Annotated[int, msgspec.Meta(ge=1)] = 4 * 1024**3
    """How much the files may take that came in with one key."""
    files_space_max_bytes: Annotated[int, msgspec.Meta(ge=1)] = 4 * 1024**3
    """How much the files of one space may take."""
    files_keep: Annotated[float, msgspec.Meta(ge=60)] = 7 * 86400.0
    """How long a file is kept that no request has needed yet; and after the end of those that did, in a space that keeps its
    data for ever."""
    secret_key: str = ""
    """What links to files are signed with, the same at all gateways; several separated by commas: the last one signs, all
    are recognised. Empty: each gateway makes one for itself."""
    public_url: str = ""
    """Under which URL people and agents know the gateways, like https://spaces.example.com; empty: whatever they ask for."""
    trusted_proxies: str = ""
    """Addresses and networks, separated by commas, whose X-Forwarded-For and X-Forwarded-Proto gateways believe; empty:
    nobody's."""
    replicas: Annotated[int, msgspec.Meta(ge=1, le=5)] = 1
    """Replicas of each stream and bucket: 1 or 3."""
    sign_up: Literal["open", "closed"] = "open"
    """Whether people may make themselves members."""
    admin_email: str = ""
    """An administrator whom the registry makes when it starts, unless there is a user with this address; empty: none."""
    admin_password: str = ""
    rate_limit: _Limit = "60000/60"
    """How often one API key may call one gateway."""
    rate_limit_unknown: _Limit = "600/60"
    """How often one address may call one gateway without a key that is good."""


def read(environment: Mapping[str, str]) -> Settings:
    """The settings in an environment, secrets also from the files that it names. Raises SettingsError, also for an unknown
    `WS_` variable: a typing error must not pass for a default."""
    known = {field.encode_name for field in msgspec.structs.fields(Settings)}
    given = {key: value for key, value in with_secrets(environment, SECRETS).items() if key.startswith(PREFIX)}
    unknown = sorted(set(given) - known - ELSEWHERE)
    if unknown:
        raise SettingsError(f"unknown setting {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    try:
        settings = msgspec.convert({k: v for k, v in given.items() if k in known}, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(str(error)) from error
    for name, check, value in (
        ("WS_SECRET_KEY", signing_keys, settings.secret_key),
        ("WS_PUBLIC_URL", public_origin, settings.public_url),
        ("WS_TRUSTED_PROXIES", networks, settings.trusted_proxies),
    ):
        try:
            check(value)
        except ValueError as error:
            raise SettingsError(f"{name}: {error}") from error
    return settings


ELSEWHERE = frozenset(
    {
        *("WS_HOME", "WS_URL", "WS_API_KEY", "WS_API_KEY_FILE"),
        *("WS_AGENT_KEY", "WS_AGENT_KEY_FILE", "WS_AGENT_METRICS_PORT", "WS_AGENT_METRICS_HOST"),
    }
)
"""Variables of the command line tools, which the services leave alone."""
