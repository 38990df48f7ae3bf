"""The registry's operations on passwords: whose is it, change it, reset it, sign up."""

from typing import Any

from nats.aio.client import Client

from services.contracts.accounts import User
from services.contracts.directory import DirectoryEvent
from services.contracts.rpc import Recorded
from services.contracts.sign_in import (
    ChangePassword,
    CheckPassword,
    MakePasswordReset,
    PasswordChecked,
    ResetPassword,
    SignUp,
)
from services.registry import password_changes
from services.registry.directory import check_password
from services.registry.failures import Failures
from services.registry.refusal import Refusal
from services.registry.service import DirectoryCommands, Handler
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower
from services.runtime.rpc import Refused


class SigningIn:
    """Looks at passwords, one at a time. All of it raises Refused, PasswordsBusy, NatsUnavailable."""

    def __init__(self, nc: Client, follower: DirectoryFollower, commands: DirectoryCommands, clock: ServerClock) -> None:
        self._follower, self._commands, self._passwords = follower, commands, commands.passwords
        self._failures, self._clock = Failures(nc, clock), clock

    def operations(self) -> dict[str, tuple[type[Any], Handler]]:
        """What it answers, by name."""
        return {
            "check_password": (CheckPassword, self.check),
            "change_password": (ChangePassword, self.change),
            "make_password_reset": (MakePasswordReset, self.make_reset),
            "reset_password": (ResetPassword, self.reset),
            "sign_up": (SignUp, self.sign_up),
        }

    async def check(self, asked: CheckPassword) -> PasswordChecked:
        """Answer a sign-in."""
        await self._follower.catch_up()
        user, seq = await self._verified(asked.email, asked.password)
        if user.disabled:
            raise Refused("disabled", "this user is disabled: an administrator can enable it")
        return PasswordChecked(user=user.user, seq=seq)

    async def change(self, asked: ChangePassword) -> Recorded:
        """Give a user who knows their password another one."""
        await self._follower.catch_up()
        user = self._follower.directory.users.get(asked.user)
        if user is None:
            raise Refused("not_found", "no such user")
        _refusing(asked.new_password)
        known, _ = await self._verified(user.email, asked.current_password)
        fresh = await self._passwords.hash(asked.new_password)

        async def decided(event_id: str) -> DirectoryEvent:
            return password_changes.change(asked, self._follower.directory, event_id, known.password_hash, fresh)

        return await self._commands.record(asked.user, decided)

    async def make_reset(self, asked: MakePasswordReset) -> Recorded:
        """Let who has a token set a user's password."""

        async def decided(event_id: str) -> DirectoryEvent:
            return password_changes.make_reset(asked, self._follower.directory, event_id)

        return await self._commands.record(asked.user, decided)

    async def reset(self, asked: ResetPassword) -> Recorded:
        """Set the password of the user whose reset it is, who may sign in at once."""
        await self._follower.catch_up()
        try:
            user = password_changes.user_of_reset(asked, self._follower.directory, self._clock.now_ns())
        except Refusal as error:
            raise Refused(error.code, error.message) from error
        fresh = await self._passwords.hash(asked.password)

        async def decided(event_id: str) -> DirectoryEvent:
            return password_changes.reset(asked, self._follower.directory, event_id, fresh, self._clock.now_ns())

        recorded = await self._commands.record(user.user, decided)
        await self._failures.forget(user.email)
        return recorded

    async def sign_up(self, asked: SignUp) -> Recorded:
        """Make a member."""
        await self._follower.catch_up()
        try:
            user = password_changes.new_user(asked, self._follower.directory)
        except Refusal as error:
            raise Refused(error.code, error.message) from error
        fresh = await self._passwords.hash(asked.password)

        async def decided(event_id: str) -> DirectoryEvent:
            return password_changes.sign_up(asked, self._follower.directory, event_id, fresh)

        return await self._commands.record(user, decided)

    async def _verified(self, email: str, password: str) -> tuple[User, int]:
        """The user with this address and password, and the sequence of the event that gave it to them. Counting and
        looking are one turn: otherwise all who come at once would be let try."""
        async with self._passwords.turn() as turn:
            await self._failures.check(email)
            directory = self._follower.directory
            user = directory.user_by_email(email)
            seq = 0 if user is None else directory.password_seqs[user.user]
            fits = await turn.fits("" if user is None else user.password_hash, password)
            if user is None or not fits:
                await self._failures.add(email)
                raise Refused("wrong", "the e-mail address or the password is wrong")
            await self._failures.forget(email)
            return user, seq


def _refusing(new_password: str) -> None:
    try:
        check_password(new_password)
    except Refusal as error:
        raise Refused(error.code, error.message) from error
