"""The body of a submission. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Policy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a request is to be treated; None is the space's default. Timeouts are in seconds: how long it may wait for an
    agent, and how long the handler may take. A higher priority (-10 to 10) goes first. `retention_s`
    after its end its data are erased."""

    start_timeout_s: float | None = None
    execution_timeout_s: float | None = None
    priority: int | None = None
    max_attempts: int | None = None
    retention_s: float | None = None


class _Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    input: Mapping[str, Any] | msgspec.Raw
    metadata: Mapping[str, Any] | None = None
    policy: Policy | None = None


def submission(input: Mapping[str, Any] | msgspec.Raw, metadata: Mapping[str, Any] | None, policy: Policy | None) -> bytes:
    """The body as JSON. Raises TypeError for what is not JSON."""
    return msgspec.json.encode(_Body(input=input, metadata=metadata, policy=policy))
