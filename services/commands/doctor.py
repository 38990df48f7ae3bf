"""`spaces doctor`."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import click

from services.commands.connection import FAILED, OK, Place, located

if TYPE_CHECKING:
    from services.commands.checks import Finding
    from services.commands.probing import Probe
    from spaces_client import Key
    from spaces_client.spaces import SpaceHealth

_NEEDED = ("/v1/requests", "/v1/keys/me", "/v1/session", "/v1/spaces/{space}/queue", "/v1/spaces/{space}/health")
"""What a gateway of an earlier release may lack."""
_LOOKED_AT = 20
"""So many spaces are looked at, no more."""
_MARKS = {"ok": "ok", "note": "!", "bad": "BAD"}


def command(machine: "Callable[[Path], Iterator[Finding]]") -> click.Command:
    """The command; `machine` looks at the home of a stack on this machine."""

    @click.command(short_help="Find out why it does not work, and what to do.")
    @click.option("--json", "as_json", is_flag=True, help="For programs: all findings as one line of JSON.")
    @located
    def doctor(found: Place, as_json: bool) -> int:
        """Look step by step at everything between this machine and an answer: is the gateway's address reachable, by TLS,
        and a gateway of this version; do the clocks agree; are the services behind it well; is the key good, and for what;
        do agents get in; does one serve a space.

        On the machine of a `spaces up`, found by its home, it looks at that first: do all processes run; do NATS and
        PostgreSQL answer, and how full are they; is there memory, disk and leave to open files; can others read its
        secrets; how old is the last backup.

        To what is not well it says what to do. It changes nothing.

        \b
        Examples:
          spaces doctor
          spaces doctor --home /srv/spaces
          spaces doctor --url https://spaces.example.com --key-file ci.key
          spaces doctor --json | jq -r '.checks[] | select(.state != "ok") | .remedy'

        It ends with status 0 when nothing is bad, 1 when something is, 2 when no gateway or key was named."""
        return _look(found, machine, as_json)

    return doctor


def _look(found: Place, machine: "Callable[[Path], Iterator[Finding]]", as_json: bool) -> int:
    from services.commands import text
    from services.commands.probing import Probe
    from services.commands.terminal import Screen

    screen = Screen()
    findings: list[Finding] = []
    with Probe(found.url, found.key) as probe:
        here = machine(Path(found.source).parent) if found.from_home else iter(())
        for finding in chain(here, _findings(probe, found)):
            findings.append(finding)
            if not as_json:
                screen.text(_line(finding))
    well = all(finding.state != "bad" for finding in findings)
    if as_json:
        screen.text(f"{text.json({'ok': well, 'checks': [finding._asdict() for finding in findings]})}\n")
    return OK if well else FAILED


def _line(finding: "Finding") -> str:
    from services.commands import text

    line = f"{_MARKS[finding.state]:<4} {finding.check:<13} {text.line(finding.told)}\n"
    return line + (f"{'':<18} {text.line(finding.remedy)}\n" if finding.remedy else "")


def _findings(probe: "Probe", found: Place) -> Iterator["Finding"]:
    """One after the other; where one is bad, what depends on it is left out."""
    from services.commands import checks
    from spaces_client.address import on_this_machine

    alive, answered_at = probe.ask("/healthz"), datetime.now(UTC)
    if isinstance(alive, checks.Trouble):
        yield checks.unreachable(found.url, alive)
        return
    yield checks.Finding("address", "ok", f"{found.url} answers")
    local = on_this_machine(found.url)
    secured = urlsplit(found.url).scheme == "https"
    yield checks.tls(secured=secured, on_this_machine=local, days=probe.certificate_days() if secured else None)
    yield (version := checks.version(*_asked(probe, "/openapi.json"), _NEEDED))
    if version.state == "bad":
        return
    yield checks.clock(_date(alive.headers.get("date", "")), answered_at)
    yield checks.ready(*_asked(probe, "/readyz"))
    yield checks.door(probe.knock())
    yield (key := _key(probe, found))
    if key.state != "bad":
        yield from _with_the_key(probe)


def _asked(probe: "Probe", path: str) -> tuple[int, bytes]:
    """Status and body of an answer; 0 and nothing when none came."""
    from services.commands.checks import Trouble

    answer = probe.ask(path)
    return (0, b"") if isinstance(answer, Trouble) else (answer.status, answer.body)


def _date(header: str) -> datetime | None:
    """The instant that a header `Date` tells (RFC 9110, 6.6.1)."""
    try:
        told = parsedate_to_datetime(header)
    except ValueError:
        return None
    return told if told.tzinfo is not None else None


def _key(probe: "Probe", found: Place) -> "Finding":
    from services.commands import checks
    from spaces_client import ClientError, User, answers, objects

    answer = probe.ask("/v1/users/me")
    if isinstance(answer, checks.Trouble):
        return checks.key(0, answer.text, found.source, "")
    try:
        who = objects.read(answer.body, User).email if answer.status == 200 else ""
    except ClientError as error:
        return checks.key(0, str(error), found.source, "")
    return checks.key(answer.status, answers.detail(answer.body.decode(errors="replace")), found.source, who)


def _with_the_key(probe: "Probe") -> Iterator["Finding"]:
    from services.commands import checks
    from spaces_client import Space, objects

    status, key = _my_key(probe)
    yield checks.scopes(status, key, datetime.now(UTC))
    if key is not None and "read" not in key.scopes:
        return
    status, body = _asked(probe, "/v1/spaces")
    if status == 200:
        seen = objects.listed(body, Space)[:_LOOKED_AT]
        yield checks.spaces([health for space in seen if (health := _health(probe, space.id)) is not None])


def _my_key(probe: "Probe") -> tuple[int, "Key | None"]:
    """What the gateway says of the key, with the status of its answer."""
    from spaces_client import ClientError, Key, objects

    status, body = _asked(probe, "/v1/keys/me")
    try:
        return status, objects.read(body, Key) if status == 200 else None
    except ClientError:
        return status, None


def _health(probe: "Probe", space: str) -> "SpaceHealth | None":
    from spaces_client import SpaceHealth, objects

    status, body = _asked(probe, f"/v1/spaces/{quote(space, safe='')}/health")
    return objects.read(body, SpaceHealth) if status == 200 else None
