"""The administrator whom the settings name: made when the registry starts, unless there is such a user."""

import logging

from services.contracts.rpc import CreateUser
from services.registry.service import DirectoryCommands
from services.runtime.directory import DirectoryFollower
from services.runtime.rpc import Refused
from services.runtime.settings import Settings, SettingsError

log = logging.getLogger("services.registry")


async def make_first_admin(settings: Settings, commands: DirectoryCommands, follower: DirectoryFollower) -> None:
    """Make the administrator of WS_ADMIN_EMAIL. A user with this address stays as they are: they may have changed their
    password. Raises SettingsError, NatsUnavailable."""
    email, password = settings.admin_email, settings.admin_password
    if not email and not password:
        return
    if not email or not password:
        raise SettingsError("set WS_ADMIN_EMAIL and WS_ADMIN_PASSWORD both, or none of them")
    await follower.catch_up()
    if (there := follower.directory.user_by_email(email)) is not None:
        if there.role != "admin":
            log.warning("the user with the address of WS_ADMIN_EMAIL is no administrator, and stays so")
        return
    try:
        await commands.execute(CreateUser(email=email, password=password, role="admin"))
    except Refused as error:
        if error.code != "exists":  # another registry that starts has made it
            raise SettingsError(f"WS_ADMIN_EMAIL, WS_ADMIN_PASSWORD: {error.message}") from error
    else:
        log.info("made the administrator of WS_ADMIN_EMAIL")
