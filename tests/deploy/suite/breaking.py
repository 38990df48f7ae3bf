"""One thing broken in a stack that is right, so that a rule can show that it sees it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.deploy.suite.objects import Object, Stack, name_of

GONE = object()
"""In place of a value: there is none."""


@dataclass(frozen=True, slots=True)
class Broken:
    """`value` at a path of the object `Kind/name`, which may lack its hash; a function makes it from what was there.

    Without a path the whole object is put in its place, or taken away. `rule` must see it."""

    rule: str
    target: str
    path: str = ""
    value: Any = GONE
    overlay: str = "prod"

    @property
    def title(self) -> str:
        """How a test of it is called."""
        return f"{self.rule}: {self.target} {self.path}".strip()


def broken(stack: Stack, how: Broken) -> Stack:
    """The stack with one thing broken; the stack itself stays whole."""
    objects = [copy.deepcopy(each) for each in stack.objects]
    found = _found(objects, how.target)
    if not how.path:
        objects.remove(found)
        if how.value is not GONE:
            objects += how.value(found)
    else:
        _put(found, how.path.split("/"), how.value)
    return replace(stack, objects=tuple(objects))


def _found(objects: list[Object], target: str) -> Object:
    kind, _, name = target.partition("/")
    for each in objects:
        if each["kind"] == kind and (name_of(each) == name or name_of(each).rpartition("-")[0] == name):
            return each
    raise LookupError(f"there is no {target} to break")


def _put(holder: Any, path: list[str], value: Any) -> None:
    for step in path[:-1]:
        holder = holder[int(step)] if isinstance(holder, list) else holder.setdefault(step, {})
    last: Any = int(path[-1]) if isinstance(holder, list) else path[-1]
    if value is GONE:
        del holder[last]
    else:
        old = holder[last] if isinstance(holder, list) else holder.get(last)
        holder[last] = value(copy.deepcopy(old)) if isinstance(value, Callable) else value  # type: ignore[arg-type]
