"""Manifests read into the real Go types, by the program in tests/deploy/decode."""

import json
import subprocess
from collections.abc import Iterator

import yaml

from tests.deploy.suite.findings import Finding
from tests.deploy.suite.objects import Object, Stack, shown
from tests.deploy.suite.published import is_builtin
from tests.support.tools import which

TIMEOUT_S = 60.0


class DecoderMissing(Exception):
    """The program is not built."""


def decoder() -> str:
    """Where the program is. Raises DecoderMissing."""
    found = which("k8s-decode")
    if found is None:
        raise DecoderMissing("k8s-decode is missing: run `make tools`")
    return found


def decoding_findings(stack: Stack) -> Iterator[Finding]:
    """What the API server's own types refuse. Raises DecoderMissing."""
    objects = [each for each in stack.objects if is_builtin(each)]
    yield from text_findings(yaml.safe_dump_all(objects), objects)


def text_findings(manifests: str, objects: list[Object]) -> Iterator[Finding]:
    """The same of manifests as text, `objects` being what they say. Raises DecoderMissing."""
    done = subprocess.run([decoder()], input=manifests, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for found, answer in zip(objects, answers, strict=True):
        problems = list(answer["problems"])
        if not answer["known"]:
            problems.append(f"the Go types here know no {found.get('apiVersion')} {found.get('kind')}")
        for each in problems:
            yield Finding(
                "go-types", shown(found), each, "Write it as the API reference says; quantities, names and selectors too."
            )
