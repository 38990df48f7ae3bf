"""What the pages for signing in and for one's account show. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SigningInView:
    """`back`: where to go on to, a page of ours. `sign_up`: whether people may make themselves users.
    `ended`: why the session is over whose cookie the browser still has; empty: there is none."""

    back: str
    sign_up: bool
    ended: str = ""


@dataclass(frozen=True, slots=True)
class NoView:
    """Of pages that show nothing but what is the same for everybody, or what their layout knows."""
