"""What the documents claim and a machine can check."""

import re
from pathlib import Path

import click
import msgspec
import pytest

from services.cli import main as spaces
from services.contracts.problems import PROBLEMS
from services.runtime.secret_files import SECRETS
from services.runtime.settings import ELSEWHERE, Settings
from spaces_agent.cli import main as spaces_agent

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "agent").glob("*.md"),
        *(ROOT / "client").glob("*.md"),
        *(ROOT / "bench").rglob("*.md"),
    ]
)
OTHERS = sorted(
    path
    for top in ("services", "agent", "client", "deploy", "requirements", "bench", "examples")
    for path in (ROOT / top).rglob("*")
    if path.suffix in {"", ".py", ".sh", ".yaml", ".conf", ".service", ".js", ".html"} and path.is_file()
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"(?<![\w./])docs/[\w./-]*\w(?:#[\w-]+)?")


def heading_anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code_words(name: str) -> set[str]:
    return {word for span in _CODE.findall((ROOT / name).read_text()) for word in span.split()}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(document: Path) -> None:
    for link in _LINK.findall(document.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path) if path else document
        assert target.exists(), f"{document.name} links to {link}"
        assert not anchor or anchor in heading_anchors(target), f"{document.name} links to {link}"


def commands(document: str) -> list[str]:
    """The lines of its shell and Python blocks, without comments."""
    blocks = re.findall(r"^```(?:sh|python)\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
    return [re.sub(r"\s+#.*$", "", line) for block in blocks for line in block.splitlines()]


def test_the_readme_says_the_same_in_both_languages() -> None:
    english, chinese = ((ROOT / name).read_text() for name in ("README.md", "README.zh-CN.md"))
    assert commands(english)
    assert commands(english) == commands(chinese)
    first, second = ({link for link in _LINK.findall(text) if not link.startswith("#")} for text in (english, chinese))
    own = re.compile(r"README|docs/img/|docs/predecessor")  # the other language, its pictures, its own document
    assert {link for link in first ^ second if not own.match(link)} == set()


def test_documents_that_are_named_elsewhere_exist() -> None:
    named = {(path, name) for path in OTHERS for name in _NAMED.findall(path.read_text())}
    assert len(named) > 50
    for path, name in sorted(named):
        file, _, anchor = name.partition("#")
        found = sorted(ROOT.glob(f"{file}*"))  # an ADR may be named by its number alone
        assert found, f"{path.relative_to(ROOT)} names {name}"
        assert not anchor or anchor in heading_anchors(found[0]), f"{path.relative_to(ROOT)} names {name}"


def test_every_setting_is_documented_and_every_documented_one_exists() -> None:
    in_files = {f"{name}_FILE" for name in SECRETS}
    documented = set(re.findall(r"\bWS_[A-Z_]+[A-Z]\b", (ROOT / "docs" / "operations.md").read_text()))
    assert documented == {field.encode_name for field in msgspec.structs.fields(Settings)} | ELSEWHERE | in_files


def test_documented_defaults_are_those_of_the_settings() -> None:
    table = (ROOT / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| `(WS_[A-Z_]+)` \|(?: `([^`|]*)`)? \|", table, re.MULTILINE)
    defaults = {field.encode_name: field.default for field in msgspec.structs.fields(Settings)}
    assert {name: msgspec.convert(text, type(defaults[name]), strict=False) for name, text in rows} == defaults


def test_every_problem_that_is_an_http_error_is_documented_with_its_status() -> None:
    errors = (ROOT / "docs" / "http-api.md").read_text().partition("\n## Errors\n")[2]
    rows = re.findall(r"^\| (\d{3}) \| (.*) \|$", errors, re.MULTILINE)
    documented = {(code, int(status)) for status, cell in rows for code in re.findall(r"`([a-z]+(?:_[a-z]+)*)`", cell)}
    assert documented == {(code, kind.status) for code, kind in PROBLEMS.items() if kind.status >= 400}


def test_documented_metrics_exist() -> None:
    source = "".join(path.read_text() for path in (ROOT / "services").rglob("*.py"))
    names = ("docs/operations.md", "docs/metrics.md", "docs/alerts.md")
    words = {word for name in names for word in code_words(name)}
    named = [word for word in words if re.fullmatch(r"ws_[a-z]+(_[a-z]+)+", word)]
    assert len(named) > 15
    assert [name for name in named if f'"{name}"' not in source] == []


def called(document: Path) -> list[tuple[str, list[str]]]:
    """The program and the words of each call of `spaces` and `spaces-agent`, in shell blocks and in `code`."""
    text = document.read_text()
    blocks = re.findall(r"^ *```(?:sh|bash|ini)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    lines = [re.sub(r" #.*", "", line) for block in blocks for line in re.sub(r"\\\n", " ", block).splitlines()]
    # Not what follows -u (a user), -n (a namespace) or --unit.
    calls = re.compile(r"(?:^|bin/|=|\(|(?<!-[nu]|it)\s)(spaces|spaces-agent) ((?:[a-z]|--)[^;&<>)]*)")
    shell = [found.groups() for line in lines for found in calls.finditer(line)]
    spans = [found.groups() for span in _CODE.findall(_FENCED.sub("", text)) if (found := calls.match(span))]
    return [(program, re.split(r" \| ", words)[0].split()) for program, words in shell + spans]


def unknown(program: str, words: list[str]) -> str:
    """What there is not of a call: a command or an option. Empty: all is there."""
    command: click.Command = {"spaces": spaces, "spaces-agent": spaces_agent}[program]
    while isinstance(command, click.Group) and words and not words[0].startswith(("-", "…")):
        names, words = words[0].split("|"), words[1:]
        if missing := [name for name in names if name not in command.commands]:
            return missing[0]
        command = command.commands[names[0]]
    options = {name for option in command.params for name in option.opts} | {"-h", "--help"}
    return next((name for word in words if (name := word.split("=")[0])[:2] == "--" and name not in options), "")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_options_in_the_documents_exist(document: Path) -> None:
    for program, words in called(document):
        assert not (missing := unknown(program, words)), f"{program} {' '.join(words)}: there is no {missing}"


def test_calls_are_found_in_the_documents_and_a_wrong_one_is_noticed() -> None:
    assert len(called(ROOT / "docs" / "command-line.md")) > 20
    assert unknown("spaces", ["keys", "forge"]) == "forge"
    assert unknown("spaces-agent", ["run", "--speed", "9"]) == "--speed"


def test_make_targets_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md"):
        named = set(re.findall(r"(?:^|`)make ([a-z][a-z0-9-]*)", (ROOT / name).read_text(), re.MULTILINE))
        assert named
        assert named <= targets, name


def test_files_of_the_walk_exist_and_have_what_it_names() -> None:
    sources = [path for top in ("services", "agent", "client") for path in (ROOT / top).rglob("*.py")]
    for line in (ROOT / "docs" / "walk.md").read_text().splitlines():
        spans = _CODE.findall(line)
        files = [span for span in spans if span.endswith(".py")]
        found = {name: [path for path in sources if path.as_posix().endswith(f"/{name}")] for name in files}
        assert all(found.values()), f"no such file: {[name for name, paths in found.items() if not paths]}"
        text = "".join(path.read_text() for paths in found.values() for path in paths)
        names = [span.rpartition(".")[2] for span in spans if re.fullmatch(r"[A-Z][A-Za-z]+\.[a-z]+|_[a-z_]+", span)]
        missing = [name for name in names if f"def {name}(" not in text]
        assert not missing, f"{line}: {missing}"
