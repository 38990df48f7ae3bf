"""Further spaces of a running stack, with keys that are good for all of them."""

import secrets

import httpx

from services.contracts import ids, subjects
from services.contracts.directory import Policy
from services.contracts.rpc import CreateKey, CreateSpace, CreateUser, Recorded
from services.runtime import bus
from services.runtime.rpc import call
from tests.support.stack import ANSWER_S, Stack
from tests.support.world import until


def one_in_each_partition() -> dict[int, str]:
    """Names of spaces, by partition."""
    names: dict[int, str] = {}
    number = 0
    while len(names) < ids.PARTS:
        names.setdefault(ids.part_of_space(f"space-{number}"), f"space-{number}")
        number += 1
    return dict(sorted(names.items()))


async def make_spaces(stack: Stack, names: list[str], policy: Policy = "many") -> tuple[str, str]:
    """Make the spaces; an API key and an agent key for them and for the stack's own, which every gateway knows."""
    nc = await bus.connect(stack.ready.nats_url, "operator", "test")
    try:
        email = f"{secrets.token_hex(4)}@localhost"
        admin = CreateUser(email=email, password="0" * 16, role="admin")
        user = (await call(nc, subjects.registry_rpc("create_user"), admin, Recorded)).id
        for name in names:
            space = CreateSpace(space=name, owner=user, connections=policy)
            await call(nc, subjects.registry_rpc("create_space"), space, Recorded)
        api_key, agent_key = f"wsk_{secrets.token_hex(20)}", f"wsa_{secrets.token_hex(20)}"
        for kind, key in (("agent", agent_key), ("api", api_key)):
            command = CreateKey(
                kind=kind,  # type: ignore[arg-type]
                key_id=secrets.token_hex(8),
                user=user,
                key_hash=ids.secret_hash(key),
                name="test",
                spaces=[*names, stack.ready.space],
            )
            await call(nc, subjects.registry_rpc("create_key"), command, Recorded)
    finally:
        await nc.close()
    await until(lambda: _known(stack, api_key), "every gateway knows the key that was made last")
    return api_key, agent_key


async def _known(stack: Stack, api_key: str) -> bool:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {api_key}"}, timeout=ANSWER_S) as http:
        return all([(await http.get(f"{url}/v1/agents")).status_code != 401 for url in stack.ready.urls])
