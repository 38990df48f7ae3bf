"""Links for agents: to read the files of an input, and to store those of an output."""

from collections.abc import Iterable

from services.contracts.events import Assigned
from services.contracts.files import File, reference
from services.gateway.files import Files
from services.gateway.granted import Granted
from spaces_agent import frames

_MARGIN_S = 3600.0
"""Links are good for so much longer than the handler may run: it need not start at once."""


class Grants:
    """Makes links for assignments."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def known(self, assigned: Assigned, lease: int) -> Granted | None:
        """What goes with an assignment; None when this gateway has yet to hear of one of its files."""
        found = [self._files.known(id) for id in _needed(assigned)]
        complete = [file for file in found if file is not None and file.state == "complete"]
        return self._granted(assigned, lease, complete) if len(complete) == len(found) else None

    async def find(self, assigned: Assigned, lease: int) -> Granted:
        """The same after having asked for what is not known here. Raises FileGone, NatsUnavailable."""
        return self._granted(assigned, lease, [await self._files.opened(id) for id in _needed(assigned)])

    def _granted(self, assigned: Assigned, lease: int, files: Iterable[File]) -> Granted:
        valid_s = assigned.execution_timeout_s + _MARGIN_S
        accesses = {file.id: self._access(file, valid_s) for file in files}
        return Granted(
            files=tuple(accesses[id] for id in assigned.files),
            input_file=accesses.get(assigned.input_file),
            upload_url=self._files.upload_url(
                assigned.rid, assigned.attempt, lease, assigned.space, assigned.user, assigned.key_id, valid_s
            ),
        )

    def _access(self, file: File, valid_s: float) -> frames.FileAccess:
        return frames.FileAccess(
            ref=reference(file.id),
            url=self._files.download_url(file.id, valid_s),
            size=file.size,
            sha256=file.sha256,
            name=file.name,
            media_type=file.media_type,
        )


def _needed(assigned: Assigned) -> list[str]:
    return [*assigned.files, *([assigned.input_file] if assigned.input_file else [])]
