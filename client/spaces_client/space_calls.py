"""What clients do with spaces, as values. Pure."""

from __future__ import annotations

from functools import partial
from typing import Unpack

import msgspec

from spaces_client import objects
from spaces_client.call import Call, nothing, segment
from spaces_client.objects import ConnectedAgent
from spaces_client.spaces import Member, NewSpace, Purged, Settings, Space, SpaceHealth, SpaceQueue

PURGE_S = 60.0
"""How long the answer to a purge may take: the gateway stops after half of it."""

_SPACE = partial(objects.read, kind=Space)


def spaces() -> Call[list[Space]]:
    """The spaces that one may see, by name; without their `input_schema` and `example_input`. Raises ClientError."""
    return Call(method="GET", path="/v1/spaces", read=partial(objects.listed, kind=Space))


def space(id: str) -> Call[Space]:
    """A space. Raises ClientError."""
    return Call(method="GET", path=_path(id), read=_SPACE)


def create_space(id: str, **settings: Unpack[NewSpace]) -> Call[Space]:
    """Make a space, which is the caller's unless an administrator names another `owner`. It has this name for good. Raises
    ClientError, with `exists` when another has, or had it."""
    return Call(method="POST", path="/v1/spaces", body=msgspec.json.encode({"id": id, **settings}), read=_SPACE)


def edit_space(id: str, **settings: Unpack[Settings]) -> Call[Space]:
    """Change settings of a space; the others stay. For requests and connections that come later. Raises ClientError."""
    return Call(method="PATCH", path=_path(id), body=msgspec.json.encode(settings), read=_SPACE)


def delete_space(id: str) -> Call[None]:
    """Delete a space, for good; its name is not given again. Raises ClientError, with `space_in_use` while requests are
    open."""
    return Call(method="DELETE", path=_path(id), read=nothing)


def enable_space(id: str) -> Call[Space]:
    """Let a disabled space take submissions again. Raises ClientError."""
    return Call(method="POST", path=_path(id, "/enable"), read=_SPACE)


def disable_space(id: str) -> Call[Space]:
    """Let submissions to a space be refused; what it has accepted goes on. Raises ClientError."""
    return Call(method="POST", path=_path(id, "/disable"), read=_SPACE)


def pause_space(id: str) -> Call[Space]:
    """Let a space's requests wait: they are accepted, and none is assigned; what runs goes on. Raises ClientError."""
    return Call(method="POST", path=_path(id, "/pause"), read=_SPACE)


def resume_space(id: str) -> Call[Space]:
    """Let a paused space go on. Raises ClientError."""
    return Call(method="POST", path=_path(id, "/resume"), read=_SPACE)


def purge_queue(id: str) -> Call[Purged]:
    """Cancel everything that waits in a space, whoever submitted it; what runs goes on. It takes half a minute at most: see
    `more`. Raises ClientError."""
    read = partial(objects.read, kind=Purged)
    return Call(method="POST", path=_path(id, "/queue/purge"), answer_s=PURGE_S, read=read)


def space_queue(id: str) -> Call[SpaceQueue]:
    """What waits and runs in a space, and who is next. Raises ClientError."""
    return Call(method="GET", path=_path(id, "/queue"), read=partial(objects.read, kind=SpaceQueue))


def space_health(id: str) -> Call[SpaceHealth]:
    """Is a space well? Raises ClientError."""
    return Call(method="GET", path=_path(id, "/health"), read=partial(objects.read, kind=SpaceHealth))


def space_agents(id: str) -> Call[list[ConnectedAgent]]:
    """The agents that serve a space: one's own, or all for an administrator. Raises ClientError."""
    return Call(method="GET", path=_path(id, "/agents"), read=objects.agents)


def members(id: str) -> Call[list[Member]]:
    """The members of a space, without its owner and administrators. Raises ClientError."""
    return Call(method="GET", path=_path(id, "/members"), read=partial(objects.listed, kind=Member))


def set_member(id: str, user: str, role: str) -> Call[Member]:
    """Make the user with this id a `viewer`, `submitter` or `manager` of a space, whatever they were. Raises ClientError."""
    body = msgspec.json.encode({"role": role})
    path = _path(id, f"/members/{segment(user)}")
    return Call(method="PUT", path=path, body=body, read=partial(objects.read, kind=Member))


def remove_member(id: str, user: str) -> Call[None]:
    """Let a user be no member of a space; to repeat it changes nothing. Raises ClientError."""
    return Call(method="DELETE", path=_path(id, f"/members/{segment(user)}"), read=nothing)


def _path(id: str, action: str = "") -> str:
    return f"/v1/spaces/{segment(id)}{action}"
