"""`spaces login` and `spaces logout`, and what the commands make of it."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from spaces_client import ProblemError, Unreachable, sending, sign_in
from tests.unit.client.command_line import KEY, spaces
from tests.unit.client.scripted_server import ScriptedServer, Step, answer, cut, no_content, nowhere, problem

ADA = {"id": "u1", "email": "ada@example.org", "role": "member", "disabled": False}
SESSION = answer({"user": ADA, "csrf_token": "c5", "expires_at": "x"}, 201, Set_Cookie="ws_session=s1; Path=/; HttpOnly")
MADE = answer({"id": "k1", "name": "n", "secret": KEY}, 201)
SIGNED_IN = [SESSION, MADE, no_content]


@pytest.fixture(autouse=True)
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where logins are kept; the working directory is empty."""
    monkeypatch.setattr(sending, "FIRST_DELAY_S", 0.001)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "config"


def run(config: Path, *arguments: str, stdin: str = "", **variables: str) -> Result:
    return spaces(*arguments, stdin=stdin, XDG_CONFIG_HOME=str(config), **variables)


def kept(config: Path) -> dict[str, Any] | None:
    file = config / "websocket-spaces" / "login.json"
    return json.loads(file.read_text()) if file.exists() else None


def test_a_key_is_made_in_a_session_that_has_ended_then() -> None:
    with ScriptedServer(*SIGNED_IN) as server:
        made = sign_in(server.url, "ada@example.org", "correct horse", name="ci", expires_in_s=60)
    assert (made.id, made.secret) == ("k1", KEY)
    begin, make, end = server.received
    assert json.loads(begin.body) == {"email": "ada@example.org", "password": "correct horse"}
    assert json.loads(make.body) == {
        "name": "ci", "kind": "api", "scopes": ["submit", "read", "manage"], "expires_in_s": 60,
    }  # fmt: skip
    assert (end.method, end.path) == ("DELETE", "/v1/session")
    for sent in (make, end):
        assert (sent.headers["cookie"], sent.headers["x-csrf-token"]) == ("ws_session=s1", "c5")
        assert "authorization" not in sent.headers


def test_a_key_file_that_is_no_text_is_told_without_what_it_holds(config: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY.encode() + b"\xff")
    with nowhere() as url:
        said = run(config, "login", "--url", url, "--key-file", str(tmp_path / "key"))
    told = f"spaces: the key file {tmp_path / 'key'} cannot be read: it is no text in UTF-8\n"
    assert (said.exit_code, said.stderr) == (2, told)
    assert kept(config) is None


def test_the_session_ends_also_when_no_key_was_made() -> None:
    steps = [SESSION, problem(403, "forbidden"), no_content]
    with ScriptedServer(*steps) as server, pytest.raises(ProblemError, match="forbidden"):
        sign_in(server.url, "ada@example.org", "correct horse", name="ci")
    assert server.received[-1].method == "DELETE"


def test_a_key_is_told_though_the_session_could_not_be_ended() -> None:
    with ScriptedServer(SESSION, MADE, *[cut] * 5) as server:
        assert sign_in(server.url, "ada@example.org", "correct horse", name="ci").id == "k1"


def test_a_key_that_may_have_been_made_is_not_made_twice() -> None:
    with ScriptedServer(SESSION, cut, no_content) as server, pytest.raises(Unreachable):
        sign_in(server.url, "ada@example.org", "correct horse", name="ci")


def test_login_asks_and_keeps_a_key_that_all_commands_use(config: Path) -> None:
    with ScriptedServer(*SIGNED_IN, answer(ADA)) as server:
        done = run(config, "login", stdin=f"{server.url}\nada@example.org\ncorrect horse\n")
        assert done.exit_code == 0, done.stderr
        assert json.loads(run(config, "users", "me", "--json").stdout) == ADA
    assert "correct" not in done.output
    assert f"logged in at {server.url} as ada@example.org" in done.stderr
    assert kept(config) == {"url": server.url, "key": KEY, "user": "ada@example.org", "made_key": "k1"}
    assert server.received[-1].headers["authorization"] == f"Bearer {KEY}"


def test_only_its_owner_may_read_what_is_kept(config: Path) -> None:
    with ScriptedServer(*SIGNED_IN) as server:
        run(config, "login", "--url", server.url, "--email", "a@b.org", "--password-stdin", stdin="correct horse\n")
    directory = config / "websocket-spaces"
    assert [path.name for path in directory.iterdir()] == ["login.json"]
    assert stat.S_IMODE((directory / "login.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_key_that_is_given_is_tried_and_kept(config: Path) -> None:
    with ScriptedServer(answer(ADA)) as server:
        assert run(config, "login", "--url", server.url, "--key-file", "-", stdin=f"{KEY}\n").exit_code == 0
        assert run(config, "logout").exit_code == 0
    assert [sent.path for sent in server.received] == ["/v1/users/me"], "what login has not made logout does not revoke"
    assert kept(config) is None


@pytest.mark.parametrize(
    ("steps", "status", "said"),
    [
        ([problem(401, "unauthenticated", "Wrong password.")], 1, "Wrong password."),
        ([problem(429, "locked_out", "Too many.")], 1, "Too many."),
        ([answer("<h1>", 404, "text/html")], 2, "is the URL right?"),
        ([cut] * 5, 2, "cannot reach"),
    ],
)
def test_what_went_wrong_is_told_and_nothing_is_kept(config: Path, steps: list[Step], status: int, said: str) -> None:
    with ScriptedServer(*steps) as server:
        done = run(config, "login", "--url", server.url, "--email", "a@b.org", "--password-stdin", stdin="no\n")
    assert (done.exit_code, done.stdout) == (status, "")
    assert said in done.stderr
    assert kept(config) is None


def test_a_login_that_cannot_be_kept_leaves_no_key_behind(config: Path) -> None:
    config.write_text("a file, where the directory is to be")
    with ScriptedServer(*SIGNED_IN, no_content) as server:
        done = run(config, "login", "--url", server.url, "--email", "a@b.org", "--password-stdin", stdin="correct horse\n")
    assert done.exit_code == 2
    assert (server.received[-1].method, server.received[-1].path) == ("DELETE", "/v1/keys/k1")


def test_a_new_login_revokes_the_key_of_the_former(config: Path) -> None:
    again = answer({"id": "k2", "name": "n", "secret": "wsk_second"}, 201)
    arguments = ["login", "--email", "a@b.org", "--password-stdin", "--url"]
    with ScriptedServer(*SIGNED_IN, SESSION, again, no_content, no_content) as server:
        run(config, *arguments, server.url, stdin="correct horse\n")
        run(config, *arguments, server.url, stdin="correct horse\n")
    assert (server.received[-1].path, server.received[-1].headers["authorization"]) == ("/v1/keys/k1", f"Bearer {KEY}")
    assert (kept(config) or {})["made_key"] == "k2"


def login(config: Path, url: str) -> None:
    directory = config / "websocket-spaces"
    directory.mkdir(parents=True)
    stored = {"url": url, "key": KEY, "user": "ada@example.org", "made_key": "k1"}
    (directory / "login.json").write_text(json.dumps(stored))


@pytest.mark.parametrize("step", [no_content, problem(404, "not_found"), problem(401, "unauthenticated")])
def test_logout_revokes_and_forgets(config: Path, step: Step) -> None:
    with ScriptedServer(step) as server:
        login(config, server.url)
        assert run(config, "logout").exit_code == 0
        assert (server.received[0].method, server.received[0].path) == ("DELETE", "/v1/keys/k1")
    assert kept(config) is None
    assert run(config, "logout").exit_code == 1


def test_a_key_that_could_not_be_revoked_stays_unless_it_is_to_be_forgotten(config: Path) -> None:
    with nowhere() as url:
        login(config, url)
        stays = run(config, "logout")
        assert stays.exit_code == 2
        assert "--forget" in stays.stderr
        assert kept(config) is not None
        assert run(config, "logout", "--forget").exit_code == 0
    assert kept(config) is None


def test_a_file_that_is_damaged_is_told_and_written_anew(config: Path) -> None:
    with ScriptedServer(*SIGNED_IN) as server:
        login(config, "http://127.0.0.1:1")
        (config / "websocket-spaces" / "login.json").write_text("{")
        assert "`spaces login` writes it anew" in run(config, "users", "me").stderr
        assert run(config, "logout").exit_code == 2
        run(config, "login", "--url", server.url, "--email", "a@b.org", "--password-stdin", stdin="correct horse\n")
    assert (kept(config) or {})["made_key"] == "k1"


def test_options_environment_and_a_stack_here_go_before_a_login(config: Path, tmp_path: Path) -> None:
    other = tmp_path / "key"
    other.write_text("wsk_file")
    with ScriptedServer(*[answer(ADA)] * 4) as server:
        login(config, "http://127.0.0.1:1")
        me = ["users", "me"]
        assert run(config, *me, "--url", server.url, "--key-file", str(other)).exit_code == 0
        assert run(config, *me, WS_URL=server.url, WS_API_KEY="wsk_env").exit_code == 0
        for home in (tmp_path / "home", Path(".spaces")):
            home.mkdir()
            (home / "credentials.json").write_text(json.dumps({"url": server.url, "api_key": f"wsk_{home.name}"}))
        assert run(config, *me, WS_HOME=str(tmp_path / "home")).exit_code == 0
        assert run(config, *me).exit_code == 0
    shown = [sent.headers["authorization"].removeprefix("Bearer wsk_") for sent in server.received]
    assert shown == ["file", "env", "home", ".spaces"]


def test_the_key_of_a_login_is_sent_to_its_gateway_alone(config: Path) -> None:
    with ScriptedServer(answer(ADA)) as server, ScriptedServer() as elsewhere:
        login(config, server.url)
        assert run(config, "users", "me", "--url", f"{server.url}/").exit_code == 0
        refused = run(config, "users", "me", WS_URL=elsewhere.url)
        assert (refused.exit_code, elsewhere.received) == (2, [])
    assert "`spaces login` there" in refused.stderr


def test_a_login_whose_key_is_good_no_more_says_where_the_key_is_from(config: Path) -> None:
    with ScriptedServer(problem(401, "unauthenticated", "This key was revoked.")) as server:
        login(config, server.url)
        done = run(config, "users", "me")
    assert (done.exit_code, done.stderr) == (2, "spaces: This key was revoked. (the key is from `spaces login`)\n")
