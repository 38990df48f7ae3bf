"""What the page of documentation shows. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of text about a type; `schema` names the schema that it stands for, empty for words."""

    text: str
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, a header, or a member of an object. `place` is empty for members."""

    name: str
    type: list[Piece]
    required: bool
    description: str
    place: str = ""
    limits: str = ""
    example: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """One form of a body or an answer; `events` are the types of what a stream tells."""

    media_type: str
    type: list[Piece]
    example: str
    events: dict[str, list[Piece]]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no problem."""

    status: int
    description: str
    headers: list[Field]
    contents: list[Content]


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem: its code, and when it is the answer."""

    status: int
    code: str
    title: str
    when: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `curls` are commands that try it."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    parameters: list[Field]
    body: Content | None
    answers: list[Answer]
    problems: list[Problem]
    curls: list[str]

    def forms(self) -> list[tuple[str, str]]:
        """An example of each form of its answers, with a title."""
        return [
            (f"Answer {answer.status}{', a stream' if content.events else ''}", content.example)
            for answer in self.answers
            for content in answer.contents
        ]


@dataclass(frozen=True, slots=True)
class Group:
    """The operations of a tag."""

    name: str
    description: str
    operations: list[Operation]


@dataclass(frozen=True, slots=True)
class Schema:
    """The type of an object."""

    name: str
    description: str
    fields: list[Field]


@dataclass(frozen=True, slots=True)
class Reference:
    """The whole document."""

    title: str
    version: str
    description: str
    groups: list[Group]
    problems: list[Problem]
    schemas: list[Schema]
