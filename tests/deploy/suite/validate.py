"""`make k8s-validate`: everything that can be known of the manifests without a cluster."""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.deploy.suite import postgres
from tests.deploy.suite.containerfiles import LinterMissing, containerfiles, linting_findings
from tests.deploy.suite.decoded import DecoderMissing, decoding_findings
from tests.deploy.suite.findings import Finding
from tests.deploy.suite.missing import SchemaMissing
from tests.deploy.suite.objects import Stack
from tests.deploy.suite.published import CRDS, NEWEST, OLDEST, builtin_findings, custom_findings, is_builtin
from tests.deploy.suite.render import OVERLAYS, ROOT, CannotRender, overlays, rendered
from tests.deploy.suite.rules import RULES


@dataclass
class Report:
    """What was looked at, and what was found."""

    lines: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def add(self, where: str, found: list[Finding]) -> None:
        """Findings in a file or overlay."""
        self.findings += [f"{where}: {each}" for each in found]


def all_findings(stack: Stack) -> Iterator[Finding]:
    """Everything that is wrong with what an overlay renders to. Raises DecoderMissing, SchemaMissing."""
    for version in (OLDEST, NEWEST):
        yield from builtin_findings(stack, version)
    yield from custom_findings(stack)
    yield from decoding_findings(stack)
    for rule in RULES:
        yield from rule.findings(stack)


def validate(root: Path = ROOT) -> Report:
    """Look at everything below a checkout. Raises CannotRender, DecoderMissing, SchemaMissing, LinterMissing."""
    report = Report()
    sources = [*CRDS, f"{postgres.CRATE}@{postgres.CRATE_VERSION}"]
    report.lines.append(f"Kubernetes {OLDEST} and {NEWEST}; schemas of custom resources: {', '.join(sources)}")
    for name in overlays(root):
        stack = rendered(name, root)
        found = list(all_findings(stack))
        report.add(f"{OVERLAYS / name}", found)
        kinds = Counter(each["kind"] for each in stack.objects)
        shown = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        custom = sum(not is_builtin(each) for each in stack.objects)
        report.lines.append(
            f"{OVERLAYS / name}: {len(stack.objects)} objects ({custom} custom), {len(found)} findings\n    {shown}"
        )
    files = containerfiles(root)
    for file in files:
        report.add(str(file.relative_to(root)), list(linting_findings([file])))
    report.lines.append(f"deploy/images: {len(files)} files by hadolint")
    report.lines.append(f"{len(RULES)} rules of our own, {len(report.findings)} findings in all")
    return report


def main(root: Path = ROOT) -> int:
    """Print the report; 1 when something is wrong, 2 when it cannot be known."""
    try:
        report = validate(root)
    except (CannotRender, DecoderMissing, SchemaMissing, LinterMissing) as error:
        print(f"k8s-validate: {error}", file=sys.stderr)
        return 2
    print("\n".join([*report.lines, *report.findings]))
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main(*(Path(each) for each in sys.argv[1:])))
