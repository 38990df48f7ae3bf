"""The fenced blocks of a document: which of them are run, and what they say is printed. Pure."""

import difflib
import json
import re
from dataclasses import dataclass

RUN = ("bash", "python")
PRINTED = ("text", "json")
ANYTHING = "…"
_FENCE = re.compile(r"^\s*(?:`{3,}|~{3,})")
_OPENING = re.compile(r"^```([a-z]+)$")


@dataclass(frozen=True)
class Block:
    """A fenced block, and the line of the document that its text begins in."""

    line: int
    language: str
    text: str


@dataclass(frozen=True)
class Step:
    """A block to run, and what the document says that it prints: nothing, unless a block tells it."""

    block: Block
    printed: str


def steps(document: str) -> list[Step]:
    """What to run, in order. Raises ValueError for a block that would be neither run nor compared."""
    found: list[Step] = []
    told = True
    for block in blocks(document):
        if block.language in RUN:
            found.append(Step(block, ""))
            told = False
        elif block.language not in PRINTED:
            raise ValueError(f"line {block.line}: nobody runs {block.language!r}")
        elif told:
            raise ValueError(f"line {block.line}: no block before it prints that")
        else:
            found[-1] = Step(found[-1].block, block.text)
            told = True
        if block.language == "json":
            _check_json(block)
    return found


def blocks(document: str) -> list[Block]:
    """All fenced blocks. Raises ValueError for a fence that is not ``` at the beginning of its line, with a language."""
    found: list[Block] = []
    language, start, lines = "", 0, list[str]()
    for number, line in enumerate(document.splitlines(), 1):
        if not _FENCE.match(line):
            lines.append(line)
        elif language and line == "```":
            found.append(Block(start, language, "".join(f"{each}\n" for each in lines)))
            language = ""
        elif not language and (opening := _OPENING.match(line)):
            language, start, lines = opening[1], number + 1, []
        else:
            raise ValueError(f"line {number}: {line!r} is no fence that is understood")
    if language:
        raise ValueError(f"line {start}: this block does not end")
    return found


def difference(told: str, printed: str) -> str:
    """How what was printed differs from what was told; empty when it does not. `…` stands for some characters of a line,
    and alone in a line for some lines."""
    if re.fullmatch("".join(_pattern(line) for line in told.splitlines()), _ended(printed)):
        return ""
    lines = difflib.unified_diff(told.splitlines(), printed.splitlines(), "told", "printed", lineterm="", n=100)
    return "\n".join(lines)


def _check_json(block: Block) -> None:
    try:
        json.loads(block.text)
    except ValueError as error:
        raise ValueError(f"line {block.line}: this is no JSON: {error}") from error


def _pattern(line: str) -> str:
    if line.strip() == ANYTHING:
        return r"(?:.*\n)+"
    return ".+".join(re.escape(part) for part in line.split(ANYTHING)) + "\n"


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"
