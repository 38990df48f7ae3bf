"""How requests of the drill are answered, run by `spaces-agent run --engine python:tests.e2e.backup_handlers:answer`."""

from typing import Any

from spaces_agent import Context


def answer(input: dict[str, Any], context: Context) -> dict[str, Any]:
    """Fails, turns a file round, says much, or says what it was told, as the input wants."""
    match input["do"]:
        case "fail":
            raise ValueError("no such model")
        case "turn":
            with context.files.open(input["file"]) as stream:
                return {"file": context.files.save(stream.read()[::-1], name="turned.bin")}
        case "say much":
            return {"text": "much " * 60_000}
        case _:
            return {"said": input["text"]}
