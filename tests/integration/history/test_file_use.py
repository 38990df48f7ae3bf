"""A file that a request which has not ended refers to cannot be deleted: history knows, whatever gateway is asked."""

from collections.abc import Iterator

import pytest

from services.contracts import subjects
from services.contracts.file_use import FileUse, GetFileUse
from services.contracts.rpc import Position
from services.history.queries import Queries
from services.runtime.jetstream import stream_info
from services.runtime.rpc import Refused
from tests.support.collecting import Shelf
from tests.support.history import World
from tests.support.listing import gateway_in
from tests.support.servers import Servers


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers() as servers:
        yield servers


async def position(world: World) -> Position:
    last = (await stream_info(world.history, subjects.REQUESTS)).state.last_seq
    return Position(stream=subjects.REQUESTS, epoch=1, seq=last)


async def test_a_file_can_be_deleted_when_all_that_refer_to_it_have_ended(world: World) -> None:
    world.record()
    file = await Shelf(world).stored()
    first, second = [await world.request().accept(user="ada", files=(file.id,)) for _ in range(2)]
    async with gateway_in(world) as gateway:
        path = f"/v1/files/{file.id}"
        for request in (first, second):
            refused = await gateway.call("DELETE", path)
            assert (refused.status, refused.json["code"]) == (409, "file_in_use")
            await request.assign()
            assert (await gateway.call("DELETE", path)).status == 409
            await request.succeed()
        assert (await gateway.call("DELETE", path)).status == 204
        assert (await gateway.call("GET", path)).status == 410


async def test_what_is_not_recorded_yet_is_waited_for(world: World) -> None:
    file = await Shelf(world).stored()
    await world.request().accept(user="ada", files=(file.id,))
    uses = Queries(world.pool).operations()["file_use"]
    question = GetFileUse(file=file.id, recorded=await position(world))
    with pytest.raises(Refused, match="not come that far"):
        await uses.handler(question)
    world.record()
    await world.recorded()
    assert await uses.handler(question) == FileUse(open=True)


async def test_a_read_table_that_is_not_whole_says_nothing(world: World) -> None:
    world.record()
    file = await Shelf(world).stored()
    await world.request().accept(user="ada", files=(file.id,))
    await world.recorded()
    await world.pool.execute("DELETE FROM request_files")
    with pytest.raises(Refused, match="rebuilt"):
        await Queries(world.pool).operations()["file_use"].handler(GetFileUse(file=file.id, recorded=await position(world)))
