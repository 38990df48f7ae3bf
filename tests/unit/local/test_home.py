"""The home directory: one owner, secrets that stay, errors of one line."""

import json
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.local.errors import HomeDamaged, HomeInUse, HomeUnwritable, WrongNumber
from services.local.home import Home
from services.local.ports import LOWEST, free_port


def test_a_locked_home_is_refused_to_a_second_owner(tmp_path: Path) -> None:
    with (
        Home(tmp_path / "home").lock(),
        pytest.raises(HomeInUse, match="in use by another") as raised,
        Home(tmp_path / "home").lock(),
    ):
        pass
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 2


def test_a_home_that_somebody_only_looks_at_is_waited_for(tmp_path: Path) -> None:
    looking, looked = threading.Event(), threading.Event()

    def look() -> None:
        with Home(tmp_path).lock():
            looking.set()
            looked.wait(30)

    with ThreadPoolExecutor(1) as threads:
        threads.submit(look)
        assert looking.wait(30)
        with pytest.raises(HomeInUse), Home(tmp_path).lock(patience_s=0.05):
            pass
        looked.set()
        with Home(tmp_path).lock(patience_s=60.0):
            pass


def test_a_released_home_can_be_owned_again(tmp_path: Path) -> None:
    for _ in range(2):
        with Home(tmp_path).lock():
            pass


@pytest.mark.parametrize("name", ["file/home", "file"])
def test_a_home_that_cannot_be_made_is_unwritable(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeUnwritable, match="choose another directory"), Home(tmp_path / name).lock():
        pass


def test_a_home_keeps_the_number_of_nats_servers_that_it_began_with(tmp_path: Path) -> None:
    (tmp_path / "fresh").mkdir()
    fresh = Home(tmp_path / "fresh")
    fresh.port("gateway-1")
    assert fresh.nats_servers(3) == 3
    assert (fresh.nats_servers(), fresh.nats_servers(3)) == (3, 3)
    with pytest.raises(WrongNumber, match="has 3 NATS servers"):
        fresh.nats_servers(1)


def test_a_home_that_has_said_nothing_of_it_has_one_nats_server(tmp_path: Path) -> None:
    former = Home(tmp_path)
    former.port("nats")
    with pytest.raises(WrongNumber, match="has 1 NATS server:"):
        former.nats_servers(3)
    assert former.nats_servers() == 1


def test_a_secret_is_random_and_stays(tmp_path: Path) -> None:
    first = Home(tmp_path).secret("nats")
    assert len(first) >= 32
    assert Home(tmp_path).secret("nats") == first
    assert Home(tmp_path).secret("postgres") != first


def test_a_free_port_stays_and_is_none_that_outgoing_connections_take(tmp_path: Path) -> None:
    port = Home(tmp_path).port("nats")
    assert LOWEST <= port < 32768
    assert Home(tmp_path).port("nats") == port


def test_no_two_servers_have_one_port_though_neither_listens_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gateways = free_port()
    first = free_port(avoid=[gateways])
    second = free_port(avoid=[gateways, first])
    chosen = iter([first, first, gateways, second])
    monkeypatch.setattr("services.local.ports.random.randint", lambda *_: next(chosen))
    home = Home(tmp_path)
    assert home.port("nats") == first
    assert home.port("registry-1", avoid=[gateways]) == second
    assert home.port("nats") == first


def test_ports_and_secrets_made_by_many_threads_at_once_are_all_kept(tmp_path: Path) -> None:
    home = Home(tmp_path)
    names = [f"part-{number}" for number in range(16)]
    with home.lock(), ThreadPoolExecutor(len(names)) as threads:
        ports, passwords = list(threads.map(home.port, names)), list(threads.map(home.secret, names))
    assert [Home(tmp_path).known_port(name) for name in names] == ports
    assert [Home(tmp_path).secret(name) for name in names] == passwords


def test_credentials_come_back_and_only_the_owner_can_read_them(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.credentials() is None
    home.write_credentials({"api_key": "old"})
    home.write_credentials({"api_key": "k"})
    assert Home(tmp_path).credentials() == {"api_key": "k"}
    home.secret("nats")
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {
        "credentials.json": 0o600,
        "state.json": 0o600,
    }


@pytest.mark.parametrize("content", ["{", "[]", json.dumps("x")])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    home = Home(tmp_path)
    home.credentials_file.write_text(content)
    with pytest.raises(HomeDamaged, match=r"credentials\.json"):
        home.credentials()


def test_logs_are_for_the_owner_alone(tmp_path: Path) -> None:
    log = Home(tmp_path).log_file("gateway-1")
    assert log == tmp_path / "logs" / "gateway-1.log"
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700
