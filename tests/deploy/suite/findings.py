"""Rules and what they find."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tests.deploy.suite.objects import Object, Stack, shown

Problem = tuple[Object, str]
Check = Callable[[Stack], Iterable[Problem]]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong: which rule says so, of which object, and what to do."""

    rule: str
    object: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.object}: {self.problem} [{self.rule}]\n    {self.remedy}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that must hold of every stack; `remedy` is what to do where it does not."""

    name: str
    check: Check
    remedy: str

    def findings(self, stack: Stack) -> Iterator[Finding]:
        """What breaks this rule."""
        for found, problem in self.check(stack):
            yield Finding(self.name, shown(found), problem, self.remedy)
