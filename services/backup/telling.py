"""What `spaces backup` and `spaces restore` say when they are done."""

import dataclasses
import json
import shlex
from pathlib import Path
from typing import Any

from services.backup.making import Made
from services.backup.manifest import Manifest
from services.backup.restoring import RestoredHome


def made(done: Made) -> str:
    """A backup, for a person."""
    lines = [f"{done.path}: {size(done.size)} in {done.seconds:.1f} s, with {content(done.manifest)}"]
    if done.gone:
        lines.append(f"{done.gone} files were deleted meanwhile and are not in it")
    lines.append("It holds every password and key of the stack: keep it as you keep those")
    return "\n".join(lines)


def made_values(done: Made) -> str:
    """The same for programs."""
    values = {"file": str(done.path), "size": done.size, "files_gone": done.gone, "seconds": round(done.seconds, 3)}
    return json.dumps(values | _values(done.manifest))


def checked(manifest: Manifest, path: Path) -> str:
    """A backup that is whole, for a person."""
    return f"{path} is whole: of {manifest.made_at}, by release {manifest.release}, with {content(manifest)}"


def checked_values(manifest: Manifest) -> str:
    """The same for programs."""
    return json.dumps(_values(manifest))


def restored(done: RestoredHome, home: Path) -> str:
    """What was restored, for a person."""
    lines = [f"restored in {done.seconds:.1f} s, as of {done.manifest.made_at}: {content(done.manifest)}"]
    if done.recovered is not None:
        lines.append(f"{done.recovered.requests} open requests will run when agents come")
        lines += [f"  {finding}" for finding in done.recovered.findings]
    if not done.report.clean:
        lines.append(f"the log is not as it should be, as `spaces log verify` says: {done.report.summary()}")
    return "\n".join([*lines, f"Start it with `spaces up --home {shlex.quote(str(home))}`"])


def restored_values(done: RestoredHome) -> str:
    """The same for programs."""
    recovered = None if done.recovered is None else dataclasses.asdict(done.recovered)
    report = {"clean": done.report.clean, **dataclasses.asdict(done.report)}
    values = {"recovered": recovered, "log": report, "seconds": round(done.seconds, 3)}
    return json.dumps(_values(done.manifest) | values)


def content(manifest: Manifest) -> str:
    """What a backup holds, in few words."""
    requests = f"{manifest.requests} requests ({manifest.open_requests} open)"
    return f"{requests}, {manifest.events} events, {manifest.files} files of {size(manifest.file_bytes)}"


def size(count: int) -> str:
    """A number of bytes."""
    return f"{count / 1e9:.2f} GB" if count >= 10**9 else f"{count / 1e6:.1f} MB"


def _values(manifest: Manifest) -> dict[str, Any]:
    return {
        "made_at": manifest.made_at,
        "release": manifest.release,
        "schema": manifest.schema,
        "requests": manifest.requests,
        "open_requests": manifest.open_requests,
        "events": manifest.events,
        "files": manifest.files,
        "file_bytes": manifest.file_bytes,
    }
