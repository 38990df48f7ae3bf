"""Who an agent is across restarts (protocol, rule 8)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spaces_agent import frames
from spaces_agent.errors import ConfigError
from spaces_agent.identity import acquire, default_state_dir, new_boot_id


def test_an_agent_that_starts_again_is_the_same_one(tmp_path: Path) -> None:
    with acquire(tmp_path) as first:
        pass
    with acquire(tmp_path) as second:
        assert second.agent_id == first.agent_id
        assert second.spool_directory == first.spool_directory


def test_two_agents_at_a_time_are_different_ones(tmp_path: Path) -> None:
    with acquire(tmp_path) as first, acquire(tmp_path) as second:
        assert second.agent_id != first.agent_id
        assert second.spool_directory != first.spool_directory


def test_an_identity_is_one_that_the_protocol_allows(tmp_path: Path) -> None:
    with acquire(tmp_path) as identity:
        assert re.match(frames.IDENTITY_PATTERN, identity.agent_id)
    assert re.match(frames.IDENTITY_PATTERN, new_boot_id())


def test_a_damaged_identity_is_replaced(tmp_path: Path) -> None:
    with acquire(tmp_path) as first:
        (first.directory / "agent_id").write_bytes(b"\xff Not An Identity")
    with acquire(tmp_path) as second:
        assert second.agent_id != first.agent_id


def test_a_name_fixes_the_identity(tmp_path: Path) -> None:
    with acquire(tmp_path, "gpu-1") as identity:
        assert identity.agent_id == "gpu-1"


def test_a_name_is_held_by_one_agent_at_a_time(tmp_path: Path) -> None:
    with acquire(tmp_path, "gpu-1"), pytest.raises(ConfigError, match="already running"):
        acquire(tmp_path, "gpu-1")


@pytest.mark.parametrize("name", ["", "GPU", "../up", "a b", "x" * 64, "gpu\n"])
def test_a_name_that_the_protocol_forbids_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no name for an agent"):
        acquire(tmp_path, name)


def test_a_state_directory_that_cannot_be_made_is_named_in_the_error(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    with pytest.raises(ConfigError, match=re.escape(str(occupied))):
        acquire(occupied)


def test_the_default_state_directory_follows_the_xdg_specification() -> None:
    assert default_state_dir({"XDG_STATE_HOME": "/var/state"}) == Path("/var/state/spaces-agent")
    fallback = Path.home() / ".local" / "state" / "spaces-agent"
    assert default_state_dir({}) == default_state_dir({"XDG_STATE_HOME": "relative"}) == fallback


def test_every_start_has_a_boot_id_of_its_own() -> None:
    assert new_boot_id() != new_boot_id()
