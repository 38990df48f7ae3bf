"""Outcomes with files are looked at before they are recorded: what they refer to must be there, and be of this attempt or
of the request's input."""

import asyncio
from collections.abc import Collection

from services.contracts.events import Failed, Problem, Succeeded
from services.contracts.files import File, reference
from services.gateway import results
from services.gateway.files import Files
from services.runtime.file_store import FileGone
from spaces_agent import frames


class Vetting:
    """Looks at outcomes."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def vet(self, event: Succeeded, inputs: Collection[str]) -> Succeeded | Failed:
        """The outcome to be recorded: as it is, with the files that an output in a file refers to; or a failure of the same
        id, when it does not hold. `inputs`: ids of the files of the request's input. Raises NatsUnavailable."""
        try:
            if event.output_file:
                filled = await self._of_file(event)
                if isinstance(filled, Failed):
                    return filled
                event = filled
            for id in event.files:
                file = await self._complete(id)
                if id not in inputs and not _own(file, event):
                    raise _Unfit(f"The output refers to {reference(id)}, which is no file of this attempt or of the input.")
        except _Unfit as unfit:
            return results.unfit(event, Problem(code="handler_error", message=str(unfit)))
        return event

    async def _of_file(self, event: Succeeded) -> Succeeded | Failed:
        file = await self._complete(event.output_file)
        if not _own(file, event):
            raise _Unfit("The file of the output is none of this attempt.")
        if file.sha256 != event.output_sha256:
            raise _Unfit("The file of the output has another digest than the result says.")
        if file.size > frames.MAX_VALUE_BYTES:
            raise _Unfit(f"The output has {file.size} bytes; the limit is {frames.MAX_VALUE_BYTES}.")
        output = await self._whole(file)
        # Megabytes of JSON: the event loop has other things to do.
        return await asyncio.to_thread(results.filled, event, output)

    async def _complete(self, id: str) -> File:
        known = self._files.known(id)
        if known is not None and known.state == "complete":
            return known
        try:
            return await self._files.opened(id)
        except FileGone:
            raise _Unfit(f"The output refers to {reference(id)}, which is not there or not complete.") from None

    async def _whole(self, file: File) -> bytes:
        try:
            return await self._files.whole(file.id, file.size)
        except FileGone:
            raise _Unfit("The file of the output is gone.") from None


class _Unfit(Exception):
    """Why the outcome does not hold, in words for the user."""


def _own(file: File, event: Succeeded) -> bool:
    """Whether it was stored by the attempt whose outcome this is."""
    return (file.rid, file.lease) == (event.rid, event.prev_seq)
