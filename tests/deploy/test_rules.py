"""The overlays keep every rule, and each rule sees it when something is broken."""

import re
from collections.abc import Callable

import pytest

from tests.deploy.breakages import BREAKAGES
from tests.deploy.suite.breaking import Broken, broken
from tests.deploy.suite.objects import Stack
from tests.deploy.suite.render import ROOT, overlays
from tests.deploy.suite.rules import RULES

BY_NAME = {each.name: each for each in RULES}


@pytest.mark.parametrize("name", overlays())
def test_an_overlay_keeps_every_rule(overlay: Callable[[str], Stack], name: str) -> None:
    found = [str(finding) for rule in RULES for finding in rule.findings(overlay(name))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("how", BREAKAGES, ids=lambda how: how.title)
def test_a_rule_sees_what_is_broken(overlay: Callable[[str], Stack], how: Broken) -> None:
    whole = overlay(how.overlay)
    rule = BY_NAME[how.rule]
    assert set(rule.findings(broken(whole, how))) - set(rule.findings(whole))


def test_every_rule_is_broken_by_something() -> None:
    assert {how.rule for how in BREAKAGES} == set(BY_NAME)
    assert len(BY_NAME) == len(RULES), "two rules have one name"


def test_every_rule_is_documented() -> None:
    text = (ROOT / "docs" / "kubernetes-validation.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| (`[^|]+) \|$", text, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == set(BY_NAME)
