"""Sign-in sessions: in the bucket `ws_sessions`, and in memory, so that what ends at one gateway ends at all."""

import asyncio
import contextlib
import secrets
from dataclasses import dataclass
from typing import Literal

import msgspec
from nats.aio.client import Client

from services.contracts import subjects
from services.contracts.accounts import Directory
from services.contracts.ids import secret_hash
from services.contracts.sign_in import SessionRecord
from services.gateway.problems import ApiProblem, unauthenticated
from services.gateway.web_sessions import SESSION_S, SessionFlaw, flaw
from services.runtime.kv import Bucket, Conflict, Entry
from services.runtime.tail import TailTooOld

TOKEN_BYTES = 32
_NS = 1_000_000_000
Ended = Literal["ended"]
"""Of a session that is no more: its user signed out, or it has expired long ago."""
_decoder = msgspec.json.Decoder(SessionRecord)
_ENDED = "You are not signed in, or not any more. Sign in with POST /v1/session."
_WORTHLESS: dict[SessionFlaw, str] = {
    "expired": "This session has expired. Sign in again.",
    "unknown": "This session's user is not known.",
    "disabled": "This user is disabled. An administrator can enable it.",
    "password": "The password was changed. Sign in with the new one.",
}


@dataclass(frozen=True, slots=True)
class Session:
    """A session that was good when it was found. `token` is the cookie's value, `digest` its key in the bucket."""

    token: str
    digest: str
    record: SessionRecord

    @property
    def expires_at(self) -> int:
        """From then on it is worth nothing, in nanoseconds since 1970."""
        return self.record.made_at + SESSION_S * _NS


class Sessions:
    """All sessions. Those that are not in memory yet are read from the leader."""

    def __init__(self, nc: Client) -> None:
        self._bucket = Bucket(nc, subjects.SESSIONS)
        self._known: dict[str, SessionRecord] = {}
        self._folded = 0
        self.caught_up = asyncio.Event()

    async def begin(self, user: str, password_seq: int, now: int) -> Session:
        """A new session of a user (now: nanoseconds since 1970). Raises NatsUnavailable."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        session = Session(token, secret_hash(token), SessionRecord(user=user, made_at=now, password_seq=password_seq))
        await self._bucket.create(subjects.session_key(session.digest), msgspec.json.encode(session.record), SESSION_S)
        return session

    async def find(self, token: str, directory: Directory, now: int) -> Session:
        """The session with this token. Raises ApiProblem when there is none that is good, NatsUnavailable."""
        digest = secret_hash(token)
        record = self._known.get(digest)
        if record is None or flaw(record, directory, now) == "password":
            record = await self._read(digest)  # made, or made good again, at another gateway just now
        if record is None:
            raise unauthenticated(_ENDED)
        session = Session(token, digest, record)
        if problem := _worthless(flaw(record, directory, now)):
            raise problem
        return session

    async def flaw(self, token: str, directory: Directory, now: int) -> Ended | SessionFlaw:
        """Why the session with this token is worth nothing; empty: it is good. Raises NatsUnavailable."""
        digest = secret_hash(token)
        record = self._known.get(digest) or await self._read(digest)
        return "ended" if record is None else flaw(record, directory, now)

    async def renew(self, session: Session, password_seq: int, now: int) -> None:
        """Let a session go on whose user has changed the password in it. Raises NatsUnavailable."""
        record = msgspec.structs.replace(session.record, password_seq=password_seq)
        entry = await self._bucket.get(session.digest)
        if entry.value is None:
            return
        left_s = SESSION_S - (now - record.made_at) / _NS
        with contextlib.suppress(Conflict):  # it has ended
            revision = await self._bucket.set(session.digest, msgspec.json.encode(record), entry.revision, left_s)
            self._take(Entry(session.digest, msgspec.json.encode(record), revision))

    async def end(self, session: Session) -> None:
        """Sign out. Raises NatsUnavailable."""
        while True:
            entry = await self._bucket.get(session.digest)
            if entry.value is None:
                break
            with contextlib.suppress(Conflict):
                await self._bucket.delete(session.digest, entry.revision)
        self._known.pop(session.digest, None)

    def ended(self, session: Session, directory: Directory, now: int) -> ApiProblem | None:
        """Why a session is worth nothing any more; None: it is good, as far as is known here."""
        record = self._known.get(session.digest)
        if record is None:
            return unauthenticated(_ENDED) if self.caught_up.is_set() else None
        return _worthless(flaw(record, directory, now))

    async def watch(self) -> None:
        """Keep them in memory for ever."""
        while True:
            self._known.clear()  # what has ended meanwhile may have left no trace
            self.caught_up.clear()
            with contextlib.suppress(TailTooOld):
                async for entries, pending in self._bucket.watch():
                    for entry in entries:
                        self._fold(entry)
                    if pending == 0:
                        self.caught_up.set()

    async def _read(self, digest: str) -> SessionRecord | None:
        entry = await self._bucket.get(digest)
        if entry.value is None:
            return None
        self._take(entry)
        return _decoder.decode(entry.value)

    def _take(self, entry: Entry) -> None:
        """Keep what was read or written, unless the watch has seen it: it may have ended since."""
        if entry.revision > self._folded and entry.value is not None:
            self._known[entry.key] = _decoder.decode(entry.value)

    def _fold(self, entry: Entry) -> None:
        self._folded = entry.revision
        if entry.value is None:
            self._known.pop(entry.key, None)
        else:
            self._known[entry.key] = _decoder.decode(entry.value)


def _worthless(flaw: SessionFlaw) -> ApiProblem | None:
    return unauthenticated(_WORTHLESS[flaw]) if flaw else None
