"""Who may call what: every role with every set of scopes, at every operation."""

import itertools
import time
from collections.abc import AsyncIterator
from typing import Literal, NamedTuple

import pytest
import pytest_asyncio

from services.contracts.directory import Role
from services.contracts.instants import rfc3339
from services.gateway.api.operation import Operation
from services.gateway.api.operations import OPERATIONS
from services.gateway.sessions import Sessions
from services.gateway.web_sessions import csrf_token
from tests.support.bus import running_bus, until
from tests.support.elsewhere import Elsewhere
from tests.support.http_gateway import AGENT, SCOPES, Gateway, add_key, fill_directory, running_gateway, serve_registry_at

pytestmark = pytest.mark.asyncio(loop_scope="module")

USERS: dict[Role, str] = {"member": "ada", "admin": "root"}
SETS = [subset for size in range(len(SCOPES) + 1) for subset in itertools.combinations(SCOPES, size)]
SAFE = {"GET", "HEAD", "OPTIONS"}
PARAMETERS = {"id": "0" * 34, "owner": "ada", "name": "gpu", "user": "ada"}


class Expected(NamedTuple):
    """Which scopes a caller needs, and what the answer to who may is: there is no such thing, the body
    is empty, and lists know no such parameter. `space`: what is asked about; that only its owner changes a space is tested
    elsewhere."""

    scopes: tuple[str, ...]
    status: int
    role: Role = "member"
    whole: bool = False
    space: str = "demo"
    callers: Literal["any", "session", "none"] = "any"

    def to_keys(self, may: bool) -> int:
        """The answer to a key of somebody who may, or may not, as far as role and scopes go."""
        return self.status if self.callers == "none" or (may and self.callers == "any") else 403


EXPECTED = {
    "submit": Expected(("submit",), 400),
    "read": Expected(("read",), 404),
    "events": Expected(("read",), 404),
    "request_log": Expected(("read",), 404),
    "cancel": Expected(("submit", "read"), 404),
    "retry": Expected(("submit", "read"), 404),
    "erase": Expected(("read", "manage"), 404),
    "list": Expected(("read",), 400),
    "stats": Expected(("read",), 400),
    "connections": Expected(("read",), 400),
    "stats_series": Expected(("read",), 400),
    "platform": Expected(("read",), 400, "admin", whole=True),
    "warnings": Expected(("read",), 400),
    "agents": Expected(("read",), 200),
    "drain": Expected(("manage",), 404),
    "agent": Expected(("read",), 404),
    "disconnect": Expected(("manage",), 404),
    "keys": Expected(("manage",), 200),
    "my_key": Expected((), 200),
    "create_key": Expected(("manage",), 400),
    "revoke_key": Expected(("manage",), 404),
    "users": Expected(("manage",), 200, "admin", whole=True),
    "create_user": Expected(("manage",), 400, "admin", whole=True),
    "me": Expected((), 200),
    "audit": Expected(("manage",), 400, "admin", whole=True),
    "set_role": Expected(("manage",), 404, "admin", whole=True),
    "disable_user": Expected(("manage",), 404, "admin", whole=True),
    "enable_user": Expected(("manage",), 404, "admin", whole=True),
    "spaces": Expected(("read",), 200),
    "create_space": Expected(("manage",), 400, whole=True),
    "space": Expected(("read",), 200),
    "edit_space": Expected(("manage",), 404, space="nowhere"),
    "delete_space": Expected(("manage",), 404, space="nowhere"),
    "pause_space": Expected(("manage",), 404, space="nowhere"),
    "resume_space": Expected(("manage",), 404, space="nowhere"),
    "enable_space": Expected(("manage",), 404, space="nowhere"),
    "disable_space": Expected(("manage",), 404, space="nowhere"),
    "members": Expected(("manage",), 404, space="nowhere"),
    "set_member": Expected(("manage",), 404, space="nowhere"),
    "remove_member": Expected(("manage",), 404, space="nowhere"),
    "purge_queue": Expected(("manage",), 404, space="nowhere"),
    "space_queue": Expected(("read",), 404, space="nowhere"),
    "space_agents": Expected(("read",), 404, space="nowhere"),
    "space_health": Expected(("read",), 404, space="nowhere"),
    "legacy_submit": Expected(("submit",), 400),
    "legacy_status": Expected(("read",), 400),
    "sign_in": Expected((), 400, callers="none"),
    "session": Expected((), 200, callers="session"),
    "sign_out": Expected((), 204, callers="session"),
    "change_password": Expected(("manage",), 400, whole=True),
    "make_password_reset": Expected(("manage",), 404, "admin", whole=True),
    "reset_password": Expected((), 400, callers="none"),
    "sign_up": Expected((), 400, callers="none"),
    "create_file": Expected(("submit",), 400),
    "files": Expected(("read",), 400),
    "file_offset": Expected(("submit",), 404),
    "append_file": Expected(("submit",), 404),
    "file": Expected(("read",), 404),
    "delete_file": Expected(("submit",), 404),
    "file_content": Expected(("read",), 404),
    "discover_uploads": Expected((), 204, callers="none"),
    "discover_upload": Expected((), 204, callers="none"),
}
"""By operation. A new one needs its line here: who may call it is decided twice."""


def name(role: str, scopes: tuple[str, ...]) -> str:
    return f"wsk_{role}_{'_'.join(scopes)}"


class World(NamedTuple):
    """A gateway, and what begins sessions behind its back."""

    gateway: Gateway
    sessions: Sessions


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with running_bus() as bus:
        await fill_directory(bus)
        registry = await bus.connect("registry")
        for role, scopes in itertools.product(USERS, SETS):
            await add_key(registry, name(role, scopes), USERS[role], scopes=scopes)
        await add_key(registry, "wsk_expired", "root", expires_at=rfc3339(1))
        await add_key(registry, "wsk_limited", "root", spaces=["demo"])
        await serve_registry_at(bus)
        await (await Elsewhere.connect(bus)).answer_as_history({})
        async with running_gateway(bus) as here:
            yield World(here, Sessions(await bus.connect("gateway")))


async def status(gateway: Gateway, operation: Operation, key: str, **headers: str) -> int:
    path = operation.path.format(**PARAMETERS, space=EXPECTED[operation.id].space, space_id="demo") + "?unknown=1"
    return (await gateway.call(operation.method, path, key=key, **headers)).status


@pytest.fixture
def gateway(world: World) -> Gateway:
    return world.gateway


async def test_every_operation_is_expected_as_it_is_declared() -> None:
    declared = {each.id: (each.scopes, each.role, each.whole, each.callers) for each in OPERATIONS}
    assert declared == {id: (each.scopes, each.role, each.whole, each.callers) for id, each in EXPECTED.items()}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
async def test_it_answers_those_who_may_and_nobody_else(gateway: Gateway, operation: Operation) -> None:
    expected = EXPECTED[operation.id]

    async def found_agents() -> bool:
        return (
            operation.id not in {"agents", "drain", "agent", "disconnect"}
            or await status(gateway, operation, name("admin", SCOPES)) != 503
        )

    await until(found_agents, "the registry has heard of the gateway's agents", 30)
    for role, scopes in itertools.product(USERS, SETS):
        may = set(expected.scopes) <= set(scopes) and (expected.role == "member" or role == "admin")
        answered = await status(gateway, operation, name(role, scopes))
        assert answered == expected.to_keys(may), (role, scopes)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
async def test_it_answers_only_good_keys_of_people(gateway: Gateway, operation: Operation) -> None:
    expected = EXPECTED[operation.id]
    answers = {key: await status(gateway, operation, key) for key in ("", "wsk_none", "wsk_expired", AGENT, "wsk_limited")}
    if expected.callers == "none":
        assert set(answers.values()) == {expected.status}
        return
    assert answers == {
        "": 401,
        "wsk_none": 401,
        "wsk_expired": 401,
        AGENT: 403,
        "wsk_limited": expected.to_keys(not expected.whole),
    }


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
async def test_who_is_signed_in_may_do_all_that_their_role_lets_them(world: World, operation: Operation) -> None:
    expected = EXPECTED[operation.id]
    for role, user in USERS.items():
        session = await world.sessions.begin(user, 1_000_000, time.time_ns())
        cookie, token = f"ws_session={session.token}", csrf_token(session.token)
        may = expected.role == "member" or role == "admin"
        without = await status(world.gateway, operation, "", Cookie=cookie)
        answered = await status(world.gateway, operation, "", Cookie=cookie, X_CSRF_Token=token)
        assert answered == (expected.status if may else 403), role
        unguarded = operation.method in SAFE or expected.callers == "none"
        assert without == (answered if unguarded else 403), role


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
async def test_pages_of_other_hosts_change_nothing(world: World, operation: Operation) -> None:
    if operation.method in SAFE:
        return
    session = await world.sessions.begin("root", 1_000_000, time.time_ns())
    sent = {"Cookie": f"ws_session={session.token}", "X_CSRF_Token": csrf_token(session.token)}
    for origin in ("https://evil.example", "null", "http://"):
        assert await status(world.gateway, operation, "", **sent, Origin=origin) == 403
    assert await status(world.gateway, operation, "", **sent, Origin=world.gateway.url) == EXPECTED[operation.id].status
