"""How the blocks of a document are found and compared."""

import pytest

from tests.support.documents import Block, difference, steps
from tests.support.stack import ROOT


def document(*parts: tuple[str, str]) -> str:
    return "Words.\n\n" + "".join(f"```{language}\n{text}\n```\n" for language, text in parts)


def test_a_block_prints_what_the_next_one_tells_or_nothing() -> None:
    found = steps(document(("bash", "echo 1"), ("text", "1"), ("python", "x = 1"), ("python", "print({})"), ("json", "{}")))
    assert [(step.block.language, step.block.text, step.printed) for step in found] == [
        ("bash", "echo 1\n", "1\n"),
        ("python", "x = 1\n", ""),
        ("python", "print({})\n", "{}\n"),
    ]
    assert found[0].block == Block(4, "bash", "echo 1\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (document(("sh", "echo 1")), "line 4: nobody runs 'sh'"),
        (document(("text", "1")), "line 4: no block before it prints that"),
        (document(("bash", "echo 1"), ("text", "1"), ("text", "1")), "line 10: no block before it prints that"),
        (document(("bash", "echo {}"), ("json", "{…}")), "line 7: this is no JSON"),
        ("```\necho 1\n```\n", "line 1: '```' is no fence that is understood"),
        ("- so:\n  ```bash\n  echo 1\n  ```\n", "line 2: '  ```bash' is no fence that is understood"),
        ("~~~bash\necho 1\n~~~\n", "line 1: '~~~bash' is no fence that is understood"),
        ("```bash title=x\necho 1\n```\n", "line 1: '```bash title=x' is no fence that is understood"),
        ("```bash\necho 1\n", "line 2: this block does not end"),
    ],
)
def test_a_block_that_would_be_neither_run_nor_compared_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match="line") as refused:
        steps(text)
    assert str(refused.value).startswith(why)


@pytest.mark.parametrize(
    ("told", "printed"),
    [
        ("", ""),
        ("1\n", "1\n"),
        ("1\n", "1"),
        ("id …, at …Z\n", "id 5, at 10:00Z\n"),
        ("first\n…\nlast\n", "first\na\n\nb\nlast\n"),
        ("a.b\n", "a.b\n"),
    ],
)
def test_what_is_printed_as_told_does_not_differ(told: str, printed: str) -> None:
    assert difference(told, printed) == ""


@pytest.mark.parametrize(
    ("told", "printed"),
    [
        ("", "1\n"),
        ("1\n", ""),
        ("1\n", "1\n2\n"),
        ("a.b\n", "axb\n"),
        ("id …\n", "id \n"),
        ("id …\n", "id 5\n6\n"),
        ("first\n…\nlast\n", "first\nlast\n"),
        ("1\n\n", "1\n"),
    ],
)
def test_anything_else_differs_and_both_sides_are_shown(told: str, printed: str) -> None:
    shown = difference(told, printed)
    assert shown.startswith("--- told\n+++ printed\n")


def test_every_block_of_the_walk_through_the_api_is_run_or_compared() -> None:
    assert len(steps((ROOT / "docs" / "api.md").read_text())) > 30
