"""Settings whose values are in files."""

import os
from pathlib import Path

import pytest

from services.runtime.secret_files import SECRETS, SettingsError, secret
from services.runtime.settings import Settings, read

PASSWORD = "nobody-may-read-this"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f" \t{PASSWORD}\r\n\n")
    return path


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_each_secret_may_be_in_a_file_and_white_space_around_it_does_not_count(name: str, file: Path) -> None:
    assert read({f"{name}_FILE": str(file)}) == read({name: PASSWORD})


def test_every_setting_that_bears_a_secret_may_be_in_a_file() -> None:
    bearing = {
        name for name in Settings.__struct_encode_fields__ if any(w in name for w in ("SECRET", "PASSWORD", "KEY", "_URL"))
    }
    assert bearing - SECRETS <= {"WS_FILES_KEY_MAX_BYTES", "WS_PUBLIC_URL"}


def test_no_other_setting_may_be_in_a_file(file: Path) -> None:
    with pytest.raises(SettingsError, match="unknown setting WS_HOST_FILE"):
        read({"WS_HOST_FILE": str(file)})


def test_a_variable_beside_the_name_of_its_file_is_an_error_even_when_it_is_empty(file: Path) -> None:
    for value in ("", "other"):
        with pytest.raises(SettingsError, match="WS_SECRET_KEY and WS_SECRET_KEY_FILE are both set") as refused:
            read({"WS_SECRET_KEY": value, "WS_SECRET_KEY_FILE": str(file)})
        assert PASSWORD not in str(refused.value)


def test_a_file_that_gives_no_value_is_an_error_that_names_it_and_tells_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "binary").write_bytes(PASSWORD.encode() + b"\xff")
    for name, said in (
        ("none", "cannot be read: No such file"),
        ("", "cannot be read: Is a directory"),
        ("empty", "is empty"),
        ("binary", "is no text in UTF-8"),
    ):
        with pytest.raises(SettingsError) as refused:
            read({"WS_SECRET_KEY_FILE": str(tmp_path / name)})
        assert str(refused.value).startswith(f"WS_SECRET_KEY_FILE: {tmp_path / name}")
        assert said in str(refused.value)
        assert PASSWORD not in f"{refused.value!r} {refused.value.__cause__!r}"


def test_a_variable_that_names_no_file_says_so() -> None:
    with pytest.raises(SettingsError, match="WS_SECRET_KEY_FILE: an empty name cannot be read"):
        read({"WS_SECRET_KEY_FILE": ""})


@pytest.mark.parametrize("value", [",", f"{PASSWORD},", f",{PASSWORD}", f"{PASSWORD}, ,x", " "])
def test_no_key_that_signs_links_is_empty(value: str) -> None:
    with pytest.raises(SettingsError, match=r"WS_SECRET_KEY: .* is empty") as refused:
        read({"WS_SECRET_KEY": value})
    assert PASSWORD not in f"{refused.value!r} {refused.value.__cause__!r}"
    assert read({"WS_SECRET_KEY": f"{PASSWORD},{PASSWORD}"}).secret_key == f"{PASSWORD},{PASSWORD}"


def test_the_files_of_the_command_line_tools_are_left_alone_by_the_services() -> None:
    assert read({"WS_AGENT_KEY_FILE": "/nowhere", "WS_API_KEY_FILE": os.devnull}) == Settings()


def test_an_empty_variable_is_no_secret() -> None:
    assert secret({"WS_DATABASE_URL": ""}, "WS_DATABASE_URL") is None
