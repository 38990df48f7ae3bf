"""The input of a submission, from what was typed; its files are uploaded first."""

import sys
from typing import IO, TYPE_CHECKING

import click

if TYPE_CHECKING:
    import msgspec

    from spaces_client import Client


def given_input(values: tuple[str, ...], input_json: str | None, input_file: IO[bytes] | None, bare: bool) -> "msgspec.Raw":
    """The input without its files; `bare`: it may have nothing else. Raises UsageError."""
    from services.commands.inputs import BadInput, from_json, from_pairs

    given = [input_json is not None, input_file is not None, bool(values)]
    if sum(given) != 1 and not (bare and not any(given)):
        raise click.UsageError("give the input once: as KEY=TEXT, -, --input or --input-file")
    try:
        if input_json is not None:
            return from_json(input_json)
        if input_file is not None:
            return from_json(input_file.read())
        return from_json(sys.stdin.buffer.read()) if values == ("-",) else from_pairs(values)
    except BadInput as error:
        raise click.UsageError(str(error)) from error


def with_uploads(client: "Client", space: str, input: "msgspec.Raw", files: tuple[str, ...]) -> "msgspec.Raw":
    """The input with a reference to each file of KEY=PATH, which is uploaded. Raises UsageError before anything is uploaded,
    ClientError, SystemExit."""
    from services.commands.file_transfers import upload
    from services.commands.inputs import BadInput, file_pairs, with_texts
    from services.commands.terminal import Screen

    if not files:
        return input
    try:
        pairs = file_pairs(files)
        with_texts(input, pairs)
    except BadInput as error:
        raise click.UsageError(str(error)) from error
    screen = Screen()
    return with_texts(input, {key: upload(client, screen, space, path).reference for key, path in pairs.items()})
