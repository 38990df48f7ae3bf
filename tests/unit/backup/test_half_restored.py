"""What a restore has not come to its end with is no stack, and no backup is made of it."""

from pathlib import Path

import pytest

from services.backup.making import make
from services.local.errors import HalfRestored
from services.local.home import RESTORING, Home


def test_no_backup_is_made_of_a_home_that_is_half_restored(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / RESTORING).touch()
    with pytest.raises(HalfRestored):
        make(Home(home), tmp_path / "spaces.backup", {}, lambda _: None, force=False)
    assert list(tmp_path.iterdir()) == [home]
