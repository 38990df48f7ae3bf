"""Who may import whom. Read from the source, so that an import inside a function counts as well."""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PURE = {
    "services.backup": {"manifest"},
    "services.dispatcher": {
        "measures",
        "decide",
        "eta",
        "events",
        "fleet",
        "line",
        "overview",
        "ownership",
        "places",
        "queue",
        "quotas",
        "state",
    },
    "services.gateway": {
        *("health", "outside", "predecessor", "queue_view"),
        *("downloads", "file_view", "media_types", "references", "tus"),
        *(
            "decisions",
            "granted",
            "granting",
            "holding",
            "input_schemas",
            "intake",
            "leases",
            "limits",
            "members",
            "problems",
            "refusals",
            "replies",
            "results",
            "session",
        ),
        *("lease_frames", "outbox", "pieces", "recording"),
        *("request_log", "web.request_views", "web.timeline", "web.durations", "agent_view", "endings"),
        *("audit", "cursor", "feed", "items", "lists", "monitoring", "spaces", "verdicts", "view"),
        *("platform", "rules", "series", "warnings"),
        *("web.reference", "web.shown"),
        *("web.account_views", "web.agent_views", "web.key_views", "web.member_views", "web.space_views", "web.use_views"),
        *("web.input_fields", "web.input_form", "web.input_reading", "web.input_starters"),
        *("web.user_views", "web.audit_views", "web.charts", "web.overview_views"),
        *("web.languages", "web.layout", "web.pseudo", "web.refusals"),
    },
    "services.history": {
        *("chains", "connections", "entries", "epochs", "positions", "requests", "restoring", "stats", "trim_plan"),
        *("attention", "audit", "series"),
        *("retentions", "collected", "collecting", "file_table"),
    },
    "services.registry": {"agents", "connections", "directory", "lockout", "password_changes", "refusal", "spaces", "users"},
    "services.commands": {
        "audit_table",
        "checks",
        "file_showing",
        "inputs",
        "machine_checks",
        "instants",
        "showing",
        "space_tables",
        "status_text",
        "tables",
        "text",
        "timeline",
        "transcript",
    },
    "spaces_agent": {
        *(
            "backoff",
            "conversation",
            "errors",
            "events",
            "frames",
            "handler_log",
            "leases",
            "messages",
            "outcome",
            "output",
            "profile",
            "session",
        ),
        *("sockets", "transfer_steps", "unacknowledged", "work"),
    },
    "spaces_client": {
        *("account_calls", "agent_calls", "audit", "call", "request_calls", "sending", "space_calls", "spaces"),
        *("downloading", "file_calls", "files", "steps", "uploading"),
        *(
            "accounts",
            "address",
            "answers",
            "backoff",
            "errors",
            "events",
            "lists",
            "monitoring",
            "objects",
            "reading",
            "submission",
            "timeline",
        ),
    },
}
"""Modules that decide and perform nothing, by package; all of services.contracts are as well."""

PURE_LIBRARIES = {
    "__future__",
    "base64",
    "binascii",
    "bisect",
    "collections",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "heapq",
    "ipaddress",
} | {
    *(
        "itertools",
        "json",
        "math",
        "msgspec",
        "operator",
        "re",
        "statistics",
        "string",
        "types",
        "typing",
        "unicodedata",
        "urllib.parse",
        "uuid",
    ),
}
"""What a pure module may import beside our own: nothing that does I/O, reads a clock or draws random numbers."""

IMPURE_CALLS = {
    "datetime": {"now", "today", "utcnow"},
    "date": {"today"},
    "uuid": {"getnode", "uuid1", "uuid4", "uuid6", "uuid7", "uuid8"},
}
"""Of those libraries, what reads a clock or draws random numbers all the same."""

COMPOSITION = frozenset(
    {
        *("__main__", "admin_command", "backup", "cli", "local", "log_commands"),
        *("nats_context_command", "provision", "recover_command", "reference"),
    }
)
"""Parts of `services` that put services together, and so may import any of them."""

SHARED = frozenset({"contracts", "runtime"})
INSTALLABLE = {
    "spaces_agent": frozenset({"click", "httpx", "msgspec", "opentelemetry", "requests", "websockets"}),
    "spaces_client": frozenset({"httpx", "httpx_sse", "msgspec"}),
}
"""Our distributions that are installed by themselves, and what each may import beside the standard library and itself."""
CLAIMS_TO_BE_PURE = re.compile(r"\bPURE\b|\bPure[.:;]")


@dataclass(frozen=True)
class Module:
    """A module by its full name."""

    name: str
    source: str

    @property
    def package(self) -> str:
        """`services.<part>`, `spaces_agent` or `spaces_client`."""
        top, *rest = self.name.split(".")
        return ".".join([top, *rest[:1]]) if top == "services" else top

    @property
    def pure(self) -> bool:
        """Whether the rules for pure modules hold for it."""
        return self.package == "services.contracts" or self.name in pure_modules(self.package)


def pure_modules(package: str) -> set[str]:
    return {f"{package}.{name}" for name in PURE.get(package, set())}


def modules() -> list[Module]:
    found = []
    for top, package in ((ROOT, "services"), (ROOT / "agent", "spaces_agent"), (ROOT / "client", "spaces_client")):
        for path in sorted((top / package).rglob("*.py")):
            name = ".".join(path.relative_to(top).with_suffix("").parts).removesuffix(".__init__")
            found.append(Module(name, path.read_text()))
    return found


ALL = {module.name: module for module in modules()}


def imported(module: Module) -> Iterator[str]:
    """The names of the modules that it imports; of `from a import b` it is `a.b` when that is a module of ours."""
    for node in ast.walk(ast.parse(module.source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield "a relative import"
                continue
            base = node.module or ""
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in ALL or base == "services" else base


def violations(module: Module) -> list[str]:
    """Each import that the rules forbid, and each impure call in a pure module."""
    broken = [f"{module.name} imports {name}" for name in imported(module) if not allowed(module, name)]
    return broken + (list(impure_calls(module)) if module.pure else [])


def allowed(module: Module, name: str) -> bool:
    top, part = name.split(".")[0], ".".join(name.split(".")[:2])
    if module.pure and not allowed_in_pure(module, name):
        return False
    if module.package in INSTALLABLE:
        return top == module.package or top in sys.stdlib_module_names or top in INSTALLABLE[module.package]
    own = module.package.removeprefix("services.")
    if top == "spaces_client":
        return own == "commands"
    if top != "services":
        return name != "a relative import"
    if module.package == "services.runtime":
        return part in {"services.contracts", "services.runtime"}
    return own in COMPOSITION or part == module.package or part.removeprefix("services.") in SHARED


def allowed_in_pure(module: Module, name: str) -> bool:
    if name in PURE_LIBRARIES or name == "collections.abc":
        return True
    if module.package == "services.contracts":
        return name.startswith("services.contracts.")
    if name in pure_modules(module.package):
        return True
    if module.package == "services.commands":
        return name in pure_modules("spaces_client")
    if module.package in INSTALLABLE:
        return False
    return name == "spaces_agent.frames" or name.startswith("services.contracts.")


def impure_calls(module: Module) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.source)):
        if isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if node.attr in IMPURE_CALLS.get(owner, set()):
                yield f"{module.name} uses {owner}.{node.attr}"
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name in IMPURE_CALLS.get(node.module or "", set()):
                    yield f"{module.name} uses {node.module}.{alias.name}"
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"open", "input", "print", "__import__"}:
            yield f"{module.name} calls {ast.unparse(node.func)}"


@pytest.mark.parametrize("module", ALL.values(), ids=lambda module: module.name)
def test_the_rules_hold(module: Module) -> None:
    assert violations(module) == []


def test_the_modules_that_are_to_be_pure_exist() -> None:
    assert {name for package in PURE for name in pure_modules(package)} <= set(ALL)


@pytest.mark.parametrize("module", ALL.values(), ids=lambda module: module.name)
def test_who_claims_to_be_pure_is_held_to_it(module: Module) -> None:
    docstring = ast.get_docstring(ast.parse(module.source)) or ""
    assert module.pure or CLAIMS_TO_BE_PURE.search(docstring) is None


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("services.contracts.events", "import nats"),
        ("services.contracts.events", "from services.runtime import append"),
        ("services.contracts.events", "from spaces_agent.frames import Hello"),
        ("services.contracts.events", "import os"),
        ("services.runtime.append", "from services.gateway import session"),
        ("services.runtime.append", "import services.local.home"),
        ("services.runtime.append", "from services import history"),
        ("services.gateway.socket", "from services.registry.directory import decide"),
        ("services.gateway.socket", "import services.history.store"),
        ("services.gateway.socket", "from services import dispatcher"),
        ("services.gateway.socket", "from services.local import home"),
        ("services.gateway.socket", "def f():\n    from services.cli import main"),
        ("services.gateway.socket", "from . import session"),
        ("services.registry.directory", "from services.registry import service"),
        ("services.registry.directory", "from services.registry.kv import Claims"),
        ("services.registry.directory", "from services.runtime.errors import Final"),
        ("services.registry.directory", "from spaces_agent.session import AgentSession"),
        *(
            ("services.dispatcher.decide", f"import {library}")
            for library in ("asyncio", "nats", "asyncpg", "fastapi", "os")
        ),
        *(
            ("services.dispatcher.decide", f"import {library}")
            for library in ("random", "logging", "time", "secrets", "urllib")
        ),
        ("services.dispatcher.decide", "def f():\n    import asyncio.tasks"),
        ("services.dispatcher.decide", "from os import environ"),
        ("services.dispatcher.decide", "from datetime import datetime\nnow = datetime.now()"),
        ("services.dispatcher.decide", "import datetime\nnow = datetime.datetime.now()"),
        ("services.dispatcher.decide", "import uuid\nid = uuid.uuid4()"),
        ("services.dispatcher.decide", "from uuid import uuid4"),
        ("services.dispatcher.decide", "text = open('file').read()"),
        ("spaces_agent.link", "from services.contracts import ids"),
        ("spaces_agent.link", "import nats"),
        ("spaces_agent.session", "import asyncio"),
        ("spaces_agent.session", "from spaces_agent import link"),
        ("spaces_agent.link", "from spaces_client import Client"),
        ("spaces_client.client", "from services.contracts import ids"),
        ("spaces_client.client", "from spaces_agent import frames"),
        ("spaces_client.client", "import websockets"),
        ("spaces_client.reading", "import httpx"),
        ("spaces_client.reading", "from spaces_client import connection"),
        ("spaces_client.backoff", "import random"),
        ("services.gateway.socket", "from spaces_client import Client"),
        ("services.commands.showing", "from spaces_client import Client"),
        ("services.commands.showing", "import sys"),
        ("services.commands.terminal", "from services.local import home"),
        ("services.commands.showing", "from services.commands import terminal"),
    ],
)
def test_an_offence_is_found(name: str, source: str) -> None:
    assert violations(Module(name, source)) != []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("services.contracts.events", "import re\nimport msgspec\nfrom services.contracts.ids import PARTS"),
        (
            "services.runtime.append",
            "import os\nimport nats\nfrom services.contracts import ids\nfrom services.runtime import bus",
        ),
        (
            "services.gateway.socket",
            "import asyncio\nfrom services.gateway import session\nfrom services.runtime import append",
        ),
        ("services.gateway.socket", "from spaces_agent import frames\nfrom services.contracts.accounts import Key"),
        ("services.gateway.session", "from spaces_agent import frames\nfrom services.gateway import leases"),
        ("services.registry.directory", "import uuid\nid = uuid.uuid5(uuid.NAMESPACE_DNS, 'name')"),
        ("services.local.cluster", "from services.history import store\nfrom services.local import home"),
        ("services.cli", "from services.local import home\nfrom services.registry import main"),
        ("services.provision", "from services.history.migrations import migrate"),
        ("spaces_agent.session", "import msgspec\nfrom spaces_agent import frames"),
        ("spaces_agent.link", "import asyncio\nimport websockets\nfrom spaces_agent import session"),
        ("spaces_client.client", "import time\nimport httpx\nfrom spaces_client import reading"),
        ("spaces_client.reading", "import msgspec\nfrom spaces_client import backoff"),
        ("services.commands.terminal", "import sys\nfrom spaces_client import Client"),
        ("services.commands.showing", "from spaces_client.objects import Request\nfrom services.commands import text"),
    ],
)
def test_what_is_allowed_is_no_offence(name: str, source: str) -> None:
    assert violations(Module(name, source)) == []


def test_a_claim_to_be_pure_is_recognised() -> None:
    assert CLAIMS_TO_BE_PURE.search("Decides. Pure.")
    assert CLAIMS_TO_BE_PURE.search("PURE: decides")
    assert not CLAIMS_TO_BE_PURE.search("Speaks of pure functions.")
