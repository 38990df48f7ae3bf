"""What `spaces doctor` makes of what it sees: whether that is well, and what to do if not. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from spaces_client.accounts import Key
from spaces_client.spaces import SpaceHealth

API, API_VERSION = "WebSocket Spaces", "1"
SCOPES = ("read", "submit", "manage")
KEY_DAYS = 7
"""A key that ends sooner is worth a word."""
CERTIFICATE_DAYS = 14
"""A certificate that ends sooner is worth a word."""
CLOCK_S = 5.0
"""So much two clocks may differ: the gateway tells whole seconds, and takes a moment."""
WRONG_CLOCK_S = 300.0
"""A clock that is so wrong breaks certificates, and makes nonsense of what is shown."""
_REMEDIES = {
    "name": "Is the name in the address spelled right? Does this machine's DNS know it?",
    "refused": "Nothing listens there. Is the port right? Is the gateway running (`spaces up`)?",
    "silent": "Something between here and there swallows it: a firewall, a VPN that is off, a wrong address.",
    "certificate": "TLS fails. Is the certificate for this name, in date, and by an authority that this machine trusts? "
    "One of your own: SSL_CERT_FILE names it. Or is the gateway's address http://, not https://?",
    "other": "Is the address that of a gateway? See its log.",
}


class Finding(NamedTuple):
    """What one check has found. A `note` is worth a word, `bad` has to be put right: `remedy` says how."""

    check: str
    state: Literal["ok", "note", "bad"]
    told: str
    remedy: str = ""


class Trouble(NamedTuple):
    """Why no answer came: name, refused, silent, certificate or other; and in the words of the system."""

    kind: str
    text: str


class Door(NamedTuple):
    """What became of a WebSocket: the first text that came by it, or the HTTP status instead of one, or the trouble."""

    text: str = ""
    status: int = 0
    trouble: str = ""


class _Frame(msgspec.Struct, frozen=True):
    type: str = ""
    code: str = ""
    reason: str = ""


class _Info(msgspec.Struct, frozen=True):
    title: str = ""
    version: str = ""


class _Document(msgspec.Struct, frozen=True):
    info: _Info
    paths: dict[str, msgspec.Raw] = {}


class _Ready(msgspec.Struct, frozen=True):
    waiting_for: list[str] = []


def unreachable(url: str, trouble: Trouble) -> Finding:
    """No answer came from the address."""
    return Finding("address", "bad", f"{url}: {trouble.text}", _REMEDIES[trouble.kind])


def tls(*, secured: bool, on_this_machine: bool, days: float | None) -> Finding:
    """Whether what is sent can be read on the way. `days`: how long the certificate is good, None when nobody can tell."""
    if not secured:
        if on_this_machine:
            return Finding("TLS", "ok", "not needed on this machine")
        remedy = "Put a proxy that speaks TLS before the gateway, and use its https:// address."
        return Finding("TLS", "note", "none: whoever is on the way reads key and data", remedy)
    if days is None:
        return Finding("TLS", "ok", "the certificate is trusted")
    if days < CERTIFICATE_DAYS:
        remedy = "Renew it before it ends: agents and clients are shut out then."
        return Finding("TLS", "note", f"the certificate ends in {days:.1f} days", remedy)
    return Finding("TLS", "ok", f"the certificate is trusted, for another {days:.0f} days")


def version(status: int, body: bytes, needed: Sequence[str]) -> Finding:
    """Whether the document of the API is one of ours, and has the paths that the commands need."""
    remedy = "Is the address that of a gateway of WebSocket Spaces, with the prefix that a proxy may want?"
    try:
        document = msgspec.json.decode(body, type=_Document) if status == 200 else None
    except (msgspec.MsgspecError, UnicodeError):
        document = None
    if document is None or document.info.title != API:
        return Finding("version", "bad", "what answers there is no gateway", remedy)
    if document.info.version != API_VERSION:
        told = f"the API has version {document.info.version}, this command speaks {API_VERSION}"
        return Finding("version", "bad", told, "Use the `spaces` of the gateway's release.")
    missing = [path for path in needed if path not in document.paths]
    if missing:
        told = f"an older gateway, without {', '.join(missing)}"
        return Finding("version", "note", told, "Commands that need these will fail until the gateway is upgraded.")
    return Finding("version", "ok", f"API version {API_VERSION}")


def clock(theirs: datetime | None, now: datetime) -> Finding:
    """How far this machine's clock is from the gateway's, which told the first instant at `now`; None: it told none."""
    if theirs is None:
        return Finding("clock", "note", "the gateway does not tell the time", "A proxy should pass the header Date on.")
    ahead_s = (now - theirs).total_seconds()
    if abs(ahead_s) <= CLOCK_S:
        return Finding("clock", "ok", "as the gateway's")
    told = f"{abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} the gateway's"
    state: Literal["note", "bad"] = "bad" if abs(ahead_s) > WRONG_CLOCK_S else "note"
    return Finding("clock", state, told, "Let NTP set both clocks. Deadlines do not depend on this one; what it shows does.")


def ready(status: int, body: bytes) -> Finding:
    """Whether the gateway, and what is behind it, can do their work."""
    if status == 200:
        return Finding("services", "ok", "the gateway can do its work")
    try:
        waiting = ", ".join(msgspec.json.decode(body, type=_Ready).waiting_for)
    except (msgspec.MsgspecError, UnicodeError):
        waiting = ""
    told = f"the gateway waits for {waiting}" if waiting else f"the gateway is not ready ({status})"
    return Finding("services", "bad", told, "See the logs of the gateway and of what it waits for; docs/operations.md.")


def key(status: int, detail: str, source: str, who: str) -> Finding:
    """Whether the key is good."""
    if status == 200:
        return Finding("key", "ok", f"good, of {who} (from {source})")
    if status == 401:
        remedy = "Sign in with `spaces login`, or have a key made: `spaces keys create`."
        return Finding("key", "bad", f"{detail} (from {source})", remedy)
    return Finding("key", "bad", f"it could not be tried: {status} {detail}".rstrip(), "See the gateway's log.")


def scopes(status: int, key: Key | None, now: datetime) -> Finding:
    """What the key may do, where and until when; None: the gateway answers with a status, and does not say."""
    if key is None:
        told = "an older gateway, which does not say" if status == 404 else f"it could not be asked for ({status})"
        return Finding("scopes", "note", told, "`spaces keys ls` shows them to a key with the scope `manage`.")
    lacks = [scope for scope in SCOPES if scope not in key.scopes]
    said = f"may {', '.join(scope for scope in SCOPES if scope in key.scopes) or 'nothing'}"
    said += f"; not {', '.join(lacks)}" if lacks else ""
    said += f"; only in {', '.join(key.spaces)}" if key.spaces else ""
    days = None if key.expires_at is None else (key.expires_at - now).total_seconds() / 86400
    if days is not None and days < KEY_DAYS:
        return Finding("scopes", "note", f"{said}; ends in {days:.1f} days", "Have another made before it ends.")
    said += "" if days is None else f"; for another {days:.0f} days"
    if not lacks:
        return Finding("scopes", "ok", said)
    remedy = "For more: `spaces keys create NAME --scope SCOPE`, by somebody who may `manage`."
    return Finding("scopes", "note" if len(lacks) < len(SCOPES) else "bad", said, remedy)


def door(seen: Door) -> Finding:
    """Whether agents get in. Without a key one is told so, or sent elsewhere: both come from a gateway."""
    remedy = (
        "Agents need WebSockets: a proxy must pass on `Upgrade` and `Connection`, and leave idle connections open for 60 s."
    )
    if seen.status:
        return Finding("agents' door", "bad", f"it answers {seen.status}, and opens no WebSocket", remedy)
    if seen.trouble:
        return Finding("agents' door", "bad", seen.trouble, remedy)
    try:
        frame = msgspec.json.decode(seen.text, type=_Frame)
    except (msgspec.MsgspecError, UnicodeError):
        return Finding("agents' door", "bad", "what opens there does not speak as a gateway", remedy)
    if frame.code == "bad_key":
        return Finding("agents' door", "ok", "open to agents with a key")
    told = f"agents are sent away: {frame.reason or frame.code or frame.type}"
    return Finding("agents' door", "bad", told, "The gateway is stopping, or waits for others: see its log.")


def spaces(found: Sequence[SpaceHealth]) -> Finding:
    """Whether somebody serves a space."""
    if not found:
        remedy = "Make one with `spaces spaces create NAME`, or have its owner make you a member of theirs."
        return Finding("spaces", "bad", "there is none that you may see", remedy)
    served = [each.space for each in found if each.agents]
    if not served:
        remedy = f"Run one: `spaces-agent run` with a key of `spaces spaces agent-keys create {found[0].space} NAME`."
        return Finding("spaces", "bad", f"no agent serves any of {len(found)}", remedy)
    ill = [f"{each.space} is {each.status}" for each in found if each.status != "ok"]
    told = f"{len(served)} of {len(found)} have agents" + (f"; {', '.join(ill)}" if ill else "")
    return Finding("spaces", "note" if ill else "ok", told, "See `spaces spaces health SPACE`." if ill else "")
