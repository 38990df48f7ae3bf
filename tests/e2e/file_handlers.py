"""Handlers that use files, run by `spaces-agent run --engine python:tests.e2e.file_handlers:<name>`."""

import hashlib
import time
from pathlib import Path
from typing import Any

from spaces_agent import Context, Retry

WAIT_S = 60.0


def reverse(input: dict[str, Any], context: Context) -> dict[str, Any]:
    """Reads a file both ways, tells how far it is, and saves it with its megabytes in the opposite order."""
    path = context.files.path(input["file"])
    context.progress(0.25, "read")
    digest = hashlib.sha256()
    with context.files.open(input["file"]) as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    context.progress(0.5, "read again")
    turned = context.files.directory / "turned"
    size = path.stat().st_size
    with path.open("rb") as source, turned.open("wb") as target:
        for start in range((size - 1) // (1 << 20) * (1 << 20), -1, -(1 << 20)):
            source.seek(start)
            target.write(source.read(1 << 20))
    context.progress(0.75, "turned")
    saved = context.files.save(turned, name="../turned.bin")
    return {"sha256": digest.hexdigest(), "file": saved, "name": context.files.about(input["file"]).name}


def names(input: dict[str, Any], context: Context) -> dict[str, Any]:
    """Saves a file of the same name in each attempt, and lets only the second one succeed."""
    saved = context.files.save(f"attempt {context.attempt}".encode(), name="same.txt")
    if context.attempt == 1:
        raise Retry(saved)
    return {"file": saved, "lease_of_the_first": input.get("lease")}


def steals(input: dict[str, Any]) -> dict[str, Any]:
    """Refers to a file that is neither of this attempt nor of the input."""
    return {"file": "".join(input["parts"])}


def echo(input: dict[str, Any]) -> dict[str, Any]:
    """Its input, and how large it was."""
    return {"length": len(input["text"]), **input}


def waits(input: dict[str, Any], context: Context) -> str:
    """Holds its slot until the test lets it go."""
    end = time.monotonic() + WAIT_S
    while not Path(input["go"]).exists() and not context.cancelled and time.monotonic() < end:
        time.sleep(0.02)
    return "went"
