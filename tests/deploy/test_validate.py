"""`make k8s-validate` as a person runs it."""

import subprocess
import sys

from tests.deploy.suite.published import NEWEST, OLDEST
from tests.deploy.suite.render import ROOT, overlays

DEADLINE_S = 100


def validate() -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.deploy.suite.validate"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_the_report_says_what_was_looked_at_and_that_nothing_is_wrong() -> None:
    done = validate()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Kubernetes {OLDEST} and {NEWEST}" in done.stdout
    for name in overlays():
        assert f"deploy/k8s/overlays/{name}: " in done.stdout
    assert done.stdout.rstrip().endswith("0 findings in all")
