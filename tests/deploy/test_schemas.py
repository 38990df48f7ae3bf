"""Published schemas and Go types: they see what is broken, and nothing in the overlays."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.deploy.breakages import GO_TYPES, SCHEMAS
from tests.deploy.suite.breaking import Broken, broken
from tests.deploy.suite.containerfiles import containerfiles, linting_findings
from tests.deploy.suite.decoded import decoding_findings, text_findings
from tests.deploy.suite.findings import Finding
from tests.deploy.suite.objects import Stack
from tests.deploy.suite.published import NEWEST, OLDEST, builtin_findings, custom_findings
from tests.deploy.suite.render import overlays

CHECKS: dict[str, Callable[[Stack], Iterable[Finding]]] = {
    f"schema-{OLDEST}": lambda stack: builtin_findings(stack, OLDEST),
    f"schema-{NEWEST}": lambda stack: builtin_findings(stack, NEWEST),
    "schema-custom": custom_findings,
    "go-types": decoding_findings,
}


def only(stack: Stack, target: str) -> Stack:
    """The stack with nothing but the kind of the target: schemas look at each object alone."""
    return Stack(tuple(each for each in stack.objects if each["kind"] == target.partition("/")[0]))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", overlays())
def test_an_overlay_is_accepted(overlay: Callable[[str], Stack], name: str, check: str) -> None:
    assert not [str(each) for each in CHECKS[check](overlay(name))]


@pytest.mark.parametrize("how", [*SCHEMAS, *GO_TYPES], ids=lambda how: how.title)
def test_what_is_broken_is_refused(overlay: Callable[[str], Stack], how: Broken) -> None:
    stack = broken(only(overlay(how.overlay), how.target), how)
    assert list(CHECKS[how.rule](stack))


def test_a_field_that_only_newer_versions_have_is_accepted_there(overlay: Callable[[str], Stack]) -> None:
    newer = Broken("", "Deployment/gateway", "spec/template/spec/hostnameOverride", "gateway")
    assert not list(builtin_findings(broken(only(overlay("prod"), newer.target), newer), NEWEST))


def test_a_repeated_field_is_refused() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: twice}\ndata: {a: '1'}\ndata: {b: '2'}\n"
    (found,) = text_findings(text, [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "twice"}}])
    assert "already set" in found.problem


def test_hadolint_accepts_our_images() -> None:
    assert not [str(each) for each in linting_findings(containerfiles())]


def test_hadolint_sees_an_image_without_a_version(tmp_path: Path) -> None:
    file = tmp_path / "Containerfile"
    file.write_text("FROM debian\nRUN true\n")
    assert {each.rule for each in linting_findings([file])} == {"hadolint-DL3006"}
