"""Everything about files that one gateway has, wired by hand."""

import logging
import secrets

from fastapi import APIRouter
from nats.aio.client import Client

from services.gateway.api import discovery, downloads, files, resuming, uploads
from services.gateway.api.access import Access
from services.gateway.file_records import FileRecords
from services.gateway.files import Files, InUse
from services.gateway.signing import Signer
from services.gateway.storing import Storing
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower
from services.runtime.file_store import JetStreamFiles
from services.runtime.secret_files import signing_keys
from services.runtime.settings import Settings

log = logging.getLogger("services.gateway.files")


class GatewayFiles:
    """Storing, finding and reading; `nc` is for files alone."""

    def __init__(
        self, nc: Client, clock: ServerClock, settings: Settings, directory: DirectoryFollower, in_use: InUse
    ) -> None:
        self._max_bytes = settings.file_max_bytes
        store = JetStreamFiles(nc)
        self.records = FileRecords(store)
        self.storing = Storing(store, self.records, clock, settings, lambda slug: directory.directory.spaces.get(slug))
        self.files = Files(store, self.records, self.storing, clock, Signer(_secrets(settings)), in_use)

    def routers(self, access: Access, follower: DirectoryFollower) -> list[APIRouter]:
        """The routes of files. HEAD of a file is declared before GET, which would answer it as well."""
        return [
            resuming.router(access, self.files, self.storing),
            uploads.router(access, follower, self.files, self.storing),
            files.router(access, self.files, self.records, self.storing),
            downloads.router(access, self.files),
            discovery.router(access, self._max_bytes),
        ]


def _secrets(settings: Settings) -> list[str]:
    if keys := signing_keys(settings.secret_key):
        return keys
    log.warning("WS_SECRET_KEY is not set: links to files are good at this gateway alone, until it ends")
    return [secrets.token_urlsafe(32)]
