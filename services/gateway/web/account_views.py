"""What the pages for signing in and for one's account show. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SigningInView:
    """`back`: where to go on to, a page of ours. `sign_up`: whether people may make themselves users."""

    back: str
    sign_up: bool


@dataclass(frozen=True, slots=True)
class NoView:
    """Of pages that show nothing but what is the same for everybody, or what their layout knows."""
