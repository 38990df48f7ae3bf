"""Following a request on a terminal, or for a program: output on standard output, all else on standard error."""

import shutil
import sys
from pathlib import Path
from typing import Protocol

from services.commands import showing, text
from services.commands.connection import FAILED, INTERRUPTED, OK
from services.commands.terminal import Screen
from services.commands.transcript import Transcript
from spaces_client import Client, InvalidAnswer, Request, references
from spaces_client.events import Assigned, Completed, Event, Log, Output, OutputReset, Position, Progress, Queued, Requeued
from spaces_client.objects import Queue

_MOST_FILES = 10


class Reader(Protocol):
    """To whom events are told."""

    def receive(self, event: Event) -> None:
        """One more event."""

    def waiting(self, reason: str, delay_s: float) -> None:
        """The stream was interrupted, and will be opened again in so many seconds."""


class Program:
    """Gets every event as a line of JSON with `request`, `event`, `id` and `data`."""

    def __init__(self, screen: Screen, rid: str) -> None:
        self._screen, self._rid = screen, rid

    def receive(self, event: Event) -> None:
        """See Reader."""
        told = {"request": self._rid, "event": event.name, "id": event.cursor, "data": event.raw}
        self._screen.text(f"{text.json(told)}\n")

    def waiting(self, reason: str, delay_s: float) -> None:
        """See Reader. No event: none is lost."""


class Person:
    """Is shown the output as it comes, and beside it what happens."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._transcript = Transcript()

    def receive(self, event: Event) -> None:
        """See Reader."""
        match event:
            case Output():
                self._transcript.add(event.data)
                self._show([event.data] if isinstance(event.data, str) else event.data)
            case Log():
                for line in event.lines:
                    self._screen.note(f"log: {line}")
            case Requeued():
                self._screen.end_status()
                self._screen.note(f"attempt {event.attempt} is void: {showing.requeued(event.reason, event.detail)}")
                self._screen.status("waiting again")
            case OutputReset():
                self._transcript.forget()
                self._screen.note("the output so far is void: it begins again")
            case Completed():
                self._end(event.request)
            case _:
                self._stand(event)

    def waiting(self, reason: str, delay_s: float) -> None:
        """See Reader."""
        self._screen.note(f"the connection was lost ({text.line(reason)}): trying again in {showing.seconds(delay_s)}")

    def _stand(self, event: Event) -> None:
        match event:
            case Queued():
                self._screen.status("waiting")
            case Position():
                self._screen.status(showing.waiting(Queue(position=event.position, reason=event.reason)))
            case Assigned():
                self._screen.status(f"attempt {event.attempt} runs at {event.agent.id}")
            case Progress():
                self._screen.status(f"{event.fraction:.0%} {event.message}", passing=True)

    def _show(self, parts: list[object]) -> None:
        for part in parts:
            if isinstance(part, str):
                self._screen.text(part)
            else:
                self._screen.value(part)

    def _end(self, request: Request) -> None:
        self._screen.end_status()
        if request.status == "succeeded":
            missing = self._transcript.missing(request.output)
            if missing is None:
                self._screen.note("what came of the output is not all of it; here is the whole:")
            self._show([request.output] if missing is None else missing)
        self._screen.end_text()
        self._screen.note(showing.outcome(request))
        tell_files(self._screen, request)


def follow(client: Client, rid: str, *, as_json: bool) -> int:
    """Tell what happens to a request up to its end; the exit status. Raises ClientError."""
    screen = Screen()
    reader: Reader = Program(screen, rid) if as_json else Person(screen)
    try:
        for event in client.events(rid, waiting=reader.waiting):
            reader.receive(event)
            if isinstance(event, Completed):
                return status_of(event.request)
    except KeyboardInterrupt:
        screen.end_status()
        screen.note(f"the request goes on. To follow it:  {typed(f'requests follow {rid}')}")
        screen.note(f"                     To cancel it:  {typed(f'cancel {rid}')}")
        return INTERRUPTED
    finally:
        screen.end_status()
        screen.end_text()
    raise InvalidAnswer("the events of the request ended without its outcome")


def tell_files(screen: Screen, request: Request) -> None:
    """How the files of an output are fetched."""
    found = references(request.output) if request.status == "succeeded" else []
    for reference in found[:_MOST_FILES]:
        screen.note(f"to fetch its file:  {typed(f'files get {reference} -o PATH')}")
    if len(found) > _MOST_FILES:
        screen.note(f"and {len(found) - _MOST_FILES} more files, which the output names")


def typed(command: str) -> str:
    """How another command of this program is typed, where this one was."""
    program = sys.argv[0]
    on_path = Path(program).name != "spaces" or shutil.which("spaces") == program
    return f"{'spaces' if on_path else program} {command}"


def status_of(request: Request) -> int:
    """The exit status that tells of a request that has ended."""
    return OK if request.status == "succeeded" else FAILED
