"""What is told of the directory's events."""

import msgspec
import pytest

from services.contracts import codec
from services.contracts.audit import SECRETS, TYPES, without_secrets
from services.contracts.directory import DirectoryEvent
from tests.contracts.examples import DIRECTORY_EVENTS, SHA


@pytest.mark.parametrize("event", DIRECTORY_EVENTS, ids=lambda event: type(event).__name__)
def test_nobody_is_shown_a_hash(event: DirectoryEvent) -> None:
    stored = codec.directory.encode(event)
    shown = bytes(without_secrets(stored))
    assert SHA.encode() not in shown
    assert b"argon2" not in shown
    fields = msgspec.json.decode(stored, type=dict[str, object])
    assert msgspec.json.decode(shown) == {name: value for name, value in fields.items() if name not in SECRETS}
    assert [name for name in fields if "hash" in name or "secret" in name or "password" in name] == [
        name for name in fields if name in SECRETS
    ]


def test_every_type_of_event_can_be_asked_for() -> None:
    assert set(TYPES) == {str(event.__struct_config__.tag) for event in DIRECTORY_EVENTS}
