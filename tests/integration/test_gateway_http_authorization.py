"""Who may call what: every role with every set of scopes, at every operation."""

import itertools
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import pytest_asyncio

from services.contracts.directory import Role
from services.contracts.instants import rfc3339
from services.gateway.api.operation import Operation
from services.gateway.api.operations import OPERATIONS
from tests.support.bus import running_bus, until
from tests.support.elsewhere import Elsewhere
from tests.support.http_gateway import AGENT, SCOPES, Gateway, add_key, fill_directory, running_gateway, serve_registry_at

pytestmark = pytest.mark.asyncio(loop_scope="module")

USERS: dict[Role, str] = {"member": "ada", "admin": "root"}
SETS = [subset for size in range(len(SCOPES) + 1) for subset in itertools.combinations(SCOPES, size)]
PARAMETERS = {"id": "0" * 34, "owner": "ada", "name": "gpu"}


class Expected(NamedTuple):
    """Which scopes a caller needs, and what the answer to who may is: there is no such thing, the body
    is empty, and lists know no such parameter. `space`: what is asked about; that only its owner changes a space is tested
    elsewhere."""

    scopes: tuple[str, ...]
    status: int
    role: Role = "member"
    whole: bool = False
    space: str = "demo"


EXPECTED = {
    "submit": Expected(("submit",), 400),
    "read": Expected(("read",), 404),
    "events": Expected(("read",), 404),
    "cancel": Expected(("submit", "read"), 404),
    "retry": Expected(("submit", "read"), 404),
    "erase": Expected(("read", "manage"), 404),
    "list": Expected(("read",), 400),
    "stats": Expected(("read",), 400),
    "connections": Expected(("read",), 400),
    "agents": Expected(("read",), 200),
    "drain": Expected(("manage",), 404),
    "keys": Expected(("manage",), 200),
    "create_key": Expected(("manage",), 400),
    "revoke_key": Expected(("manage",), 404),
    "users": Expected(("manage",), 200, "admin", whole=True),
    "create_user": Expected(("manage",), 400, "admin", whole=True),
    "me": Expected((), 200),
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
    "purge_queue": Expected(("manage",), 404, space="nowhere"),
}
"""By operation. A new one needs its line here: who may call it is decided twice."""


def name(role: str, scopes: tuple[str, ...]) -> str:
    return f"wsk_{role}_{'_'.join(scopes)}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[Gateway]:
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
            yield here


async def status(gateway: Gateway, operation: Operation, key: str) -> int:
    path = operation.path.format(**PARAMETERS, space=EXPECTED[operation.id].space)
    return (await gateway.call(operation.method, path + "?unknown=1", key=key)).status


async def test_every_operation_is_expected_as_it_is_declared() -> None:
    declared = {each.id: (each.scopes, each.role, each.whole) for each in OPERATIONS}
    assert declared == {id: (each.scopes, each.role, each.whole) for id, each in EXPECTED.items()}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
async def test_it_answers_those_who_may_and_nobody_else(gateway: Gateway, operation: Operation) -> None:
    expected = EXPECTED[operation.id]

    async def found_agents() -> bool:
        return operation.id not in {"agents", "drain"} or await status(gateway, operation, name("admin", SCOPES)) != 503

    await until(found_agents, "the registry has heard of the gateway's agents", 30)
    for role, scopes in itertools.product(USERS, SETS):
        may = set(expected.scopes) <= set(scopes) and (expected.role == "member" or role == "admin")
        answered = await status(gateway, operation, name(role, scopes))
        assert answered == (expected.status if may else 403), (role, scopes)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
async def test_it_answers_only_good_keys_of_people(gateway: Gateway, operation: Operation) -> None:
    expected = EXPECTED[operation.id]
    answers = {key: await status(gateway, operation, key) for key in ("", "wsk_none", "wsk_expired", AGENT, "wsk_limited")}
    assert answers == {
        "": 401,
        "wsk_none": 401,
        "wsk_expired": 401,
        AGENT: 403,
        "wsk_limited": 403 if expected.whole else expected.status,
    }
