"""Inputs and outputs that are too large for an event: kept in files, and shown as if they were not."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec

from services.contracts.accounts import Space
from services.contracts.files import CHUNK_BYTES
from services.contracts.requests import NULL, RequestState
from services.gateway.auth import Caller
from services.gateway.files import Files
from services.gateway.intake import MAX_INPUT_BYTES, Submission
from services.gateway.references import gone
from services.gateway.storing import NewFile
from services.runtime.file_store import FileGone
from spaces_agent.frames import MAX_VALUE_BYTES


@dataclass(frozen=True, slots=True)
class Admitted:
    """An input as its event has it: `files` it refers to, and the file that holds it, if one does (then it is null)."""

    input: msgspec.Raw
    files: tuple[str, ...] = ()
    input_file: str = ""


class Values:
    """All methods raise NatsUnavailable when the store does not answer."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def admit(self, caller: Caller, space: Space, submission: Submission) -> Admitted:
        """Check what an input refers to, store it if it is large, and keep all of that as long as the request may need it.
        Raises ApiProblem, StreamFull."""
        input, user = submission.input, caller.user
        files = await self.check(caller, space, input)
        admitted = Admitted(input, files)
        needed = list(files)
        if len(bytes(input)) > MAX_INPUT_BYTES:
            stored = await self._store(bytes(input), space.space, user.user, caller.key.key_id)
            admitted = Admitted(NULL, files, stored)
            needed.append(stored)
        await self._files.touch(needed, submission.start_timeout_s, submission.execution_timeout_s)
        return admitted

    async def check(self, caller: Caller, space: Space, input: msgspec.Raw) -> tuple[str, ...]:
        """The ids of the files that an input refers to. Raises ApiProblem when the caller may not refer to one of them."""
        return await self._files.check(input, space.space, caller.user.user, admin=caller.user.role == "admin")

    async def filled(self, state: RequestState) -> RequestState:
        """The request with its input and output, wherever they are; what is not kept any more is null."""
        if state.erased or not (state.input_file or state.output_file):
            return state
        input, output = await asyncio.gather(
            self._value(state.input_file, state.input), self._value(state.output_file, state.output)
        )
        return msgspec.structs.replace(state, input=input, output=output)

    async def with_input(self, state: RequestState) -> RequestState:
        """The request with its input. Raises ApiProblem (data_expired) when that is not kept any more, or a file that it
        refers to."""
        if state.erased:
            return state
        for id in state.files:
            if await self._is_gone(id):
                raise gone(id)
        if not state.input_file:
            return state
        input = await self._value(state.input_file, NULL)
        if input is NULL:
            raise gone(state.input_file)
        return msgspec.structs.replace(state, input=input)

    async def _is_gone(self, id: str) -> bool:
        # What was referred to was there: also when nothing is known of it any more.
        file = await self._files.find(id)
        return file is None or file.state == "deleted"

    async def _store(self, input: bytes, space: str, user: str, key_id: str) -> str:
        new = NewFile(
            kind="input",
            space=space,
            user=user,
            key_id=key_id,
            name="input.json",
            media_type="application/json",
            length=len(input),
        )
        return (await self._files.store(new, _pieces(input))).id

    async def _value(self, id: str, otherwise: msgspec.Raw) -> msgspec.Raw:
        if not id:
            return otherwise
        try:
            return msgspec.Raw(await self._files.whole(id, MAX_VALUE_BYTES))
        except FileGone:
            return NULL


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]
