"""Secrets from files: `WS_X_FILE` names a file whose content is `WS_X`, so that it stands in no environment and no unit."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from services.runtime.errors import Final

SUFFIX = "_FILE"
SECRETS = frozenset({"WS_NATS_URL", "WS_DATABASE_URL", "WS_SECRET_KEY", "WS_ADMIN_PASSWORD"})
"""The services' settings that may be in files."""


class SettingsError(Final):
    """A variable is missing or does not fit; the message names it."""


def secret(environment: Mapping[str, str], name: str) -> str | None:
    """The variable's value, or what the file holds that NAME_FILE names, without white space around it; None: neither is
    set, or it is empty. Raises SettingsError, which never tells what a file holds."""
    path = environment.get(name + SUFFIX)
    if path is None:
        return environment.get(name) or None
    if name in environment:
        raise SettingsError(f"{name} and {name}{SUFFIX} are both set: keep one of them")
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{name}{SUFFIX}: {path or 'an empty name'} cannot be read: {error.strerror}") from error
    except ValueError:  # neither is the cause told: it quotes the content
        raise SettingsError(f"{name}{SUFFIX}: {path} is no text in UTF-8") from None
    if not value:
        raise SettingsError(f"{name}{SUFFIX}: {path} is empty")
    return value


def with_secrets(environment: Mapping[str, str], names: Iterable[str] = SECRETS) -> dict[str, str]:
    """The environment with the values of these that are in files, and without the variables that name the files. Raises
    SettingsError."""
    in_files = {name: secret(environment, name) for name in names if name + SUFFIX in environment}
    rest = {name: value for name, value in environment.items() if name.removesuffix(SUFFIX) not in in_files}
    return rest | {name: value for name, value in in_files.items() if value is not None}


def signing_keys(text: str) -> list[str]:
    """Keys separated by commas; none when there is no text. Raises ValueError when one of them is empty: whoever likes can
    sign with that."""
    keys = text.split(",") if text else []
    if not all(key.strip() for key in keys):
        raise ValueError("one of the keys between the commas is empty")
    return keys
