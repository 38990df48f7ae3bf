"""Print what `make lock` locks: the dependencies of our distributions, all extras, and what builds them."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DISTRIBUTIONS = (".", "agent", "client")
OWN = {"spaces-agent", "spaces-client"}  # installed from this checkout


def wanted(pyproject: Path) -> set[str]:
    """The requirements that one pyproject.toml names."""
    content = tomllib.loads(pyproject.read_text())
    project = content["project"]
    extras = project.get("optional-dependencies", {}).values()
    return {*project["dependencies"], *content["build-system"]["requires"], *(line for extra in extras for line in extra)}


if __name__ == "__main__":
    requirements = {line for directory in DISTRIBUTIONS for line in wanted(ROOT / directory / "pyproject.toml")}
    print("\n".join(sorted(requirements - OWN)))
