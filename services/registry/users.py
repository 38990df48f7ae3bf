"""What commands about users that there are come to. PURE.

An administrator who is enabled always remains. That rests not on one replica's view of the directory, but on the append:
what may take an administrator away (`takes_away`) expects that nothing has happened to *any* user since, so that of two
administrators who demote each other at the same time one is refused.
"""

from services.contracts.accounts import Directory, User
from services.contracts.directory import DirectoryEvent, UserDisabled, UserEnabled, UserEvent, UserRoleSet
from services.contracts.rpc import DisableUser, EnableUser, SetRole
from services.registry.refusal import Existing, Refusal


def switch(command: DisableUser | EnableUser, directory: Directory, event_id: str) -> UserEvent | Existing:
    """Nothing when it is so already. Raises Refusal."""
    user, seq = _there(command.user, directory)
    wanted = isinstance(command, DisableUser)
    if user.disabled == wanted:
        return Existing(seq)
    if not wanted:
        return UserEnabled(id=event_id, prev_seq=seq, actor=command.actor, user=command.user)
    _check_remaining(user, directory)
    return UserDisabled(id=event_id, prev_seq=seq, actor=command.actor, user=command.user)


def set_role(command: SetRole, directory: Directory, event_id: str) -> UserEvent | Existing:
    """Nothing when the user has this role already. Raises Refusal."""
    user, seq = _there(command.user, directory)
    if user.role == command.role:
        return Existing(seq)
    _check_remaining(user, directory)
    return UserRoleSet(id=event_id, prev_seq=seq, actor=command.actor, user=command.user, role=command.role)


def takes_away(event: DirectoryEvent) -> bool:
    """Whether fewer administrators may be enabled after the event."""
    return isinstance(event, UserDisabled | UserRoleSet)


def last_seq(directory: Directory) -> int:
    """The sequence of the last event of any user."""
    return max((seq for (kind, _), seq in directory.sequences.items() if kind == "user"), default=0)


def _check_remaining(user: User, directory: Directory) -> None:
    """Raises Refusal when without this user no administrator would be left."""
    if user.role != "admin" or user.disabled:
        return
    others = (other for other in directory.users.values() if other.user != user.user)
    if not any(other.role == "admin" and not other.disabled for other in others):
        raise Refusal("last_admin", "this is the last administrator who is enabled: there has to be another one first")


def _there(id: str, directory: Directory) -> tuple[User, int]:
    user = directory.users.get(id)
    if user is None:
        raise Refusal("not_found", "no such user")
    return user, directory.sequences["user", id]
