"""All pages of the console."""

from fastapi import APIRouter

from services.gateway.api.access import Access
from services.gateway.key_uses import KeyUses
from services.gateway.reading import Reader
from services.gateway.web import account_pages, key_pages, preview_pages, request_pages, space_pages
from services.gateway.web.console import Console
from services.runtime.clock import ServerClock
from services.runtime.directory import DirectoryFollower


def routers(
    console: Console,
    follower: DirectoryFollower,
    uses: KeyUses,
    clock: ServerClock,
    sign_up: str,
    most_bytes: int,
    access: Access,
    reader: Reader,
) -> list[APIRouter]:
    """The routes of all pages, and of what they load. A file may have so many bytes."""
    parts = APIRouter()
    console.add_parts(parts)
    return [
        parts,
        account_pages.router(console, sign_up),
        key_pages.router(console, follower, uses, clock),
        space_pages.router(console, follower, clock, most_bytes),
        preview_pages.router(console, most_bytes),
        request_pages.router(console, follower, access, reader, clock),
    ]
