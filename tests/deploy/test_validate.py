"""`make k8s-validate` as a person runs it."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.deploy.suite.published import NEWEST, OLDEST
from tests.deploy.suite.render import ROOT, overlays

DEADLINE_S = 100


def validate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.deploy.suite.validate", *arguments],
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


def test_a_finding_names_the_overlay_the_object_and_the_rule_and_says_what_to_do(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets"))
    manifest = tmp_path / "deploy/k8s/base/history/deployment.yaml"
    manifest.write_text(
        manifest.read_text().replace("terminationGracePeriodSeconds: 45", "terminationGracePeriodSeconds: 10")
    )
    done = validate(str(tmp_path))
    assert done.returncode == 1
    assert "deploy/k8s/overlays/prod: Deployment/history: it is killed after 10 s" in done.stdout
    assert "[grace]\n    Raise terminationGracePeriodSeconds" in done.stdout
    assert done.stdout.count("[grace]") == 2  # in prod and in dev, and nothing else


def test_what_cannot_be_rendered_is_told_in_one_line(tmp_path: Path) -> None:
    overlay = tmp_path / "deploy/k8s/overlays/odd"
    overlay.mkdir(parents=True)
    (overlay / "kustomization.yaml").write_text("resources: [nothing.yaml]\n")
    done = validate(str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("k8s-validate: overlay odd: ")
