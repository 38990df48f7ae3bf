"""Until when files are kept, and what becomes of them then."""

from typing import Any

import msgspec
import pytest

from services.contracts import files
from services.contracts.accounts import Directory
from services.contracts.directory import SpaceCreated, SpaceDeleted
from services.contracts.events import Accepted, Assigned, Canceled, Erased, RequestEvent, Succeeded
from services.contracts.files import File
from services.contracts.requests import RequestState, evolve
from services.history.collected import Collected
from services.history.collecting import GRACE_NS, Due, Maker, Uses, due, let_expire, step
from services.history.file_table import FileTable
from services.history.requests import files_of
from services.history.retentions import kept_ns

SECOND, HOUR, DAY = 10**9, 3600 * 10**9, 86400 * 10**9
RID = "018bcfe5680070000000000000000000" + "0b"
CREATED, EXPIRES, KEEP = 1000 * HOUR, 1024 * HOUR, 7 * DAY
UPLOAD = File(
    id="u1." + "0" * 32,
    nuid="n1",
    state="complete",
    kind="upload",
    space="demo",
    user="u1",
    key_id="k1",
    created_at=CREATED,
    expires_at=EXPIRES,
    size=10,
    index=(3,),
    revision=7,
)
OUTPUT = msgspec.structs.replace(UPLOAD, id=f"{RID}.42." + "0" * 32, kind="output", rid=RID, lease=42)
INPUT = msgspec.structs.replace(UPLOAD, kind="input", rid=RID)
ENDED = 1010 * HOUR
SUCCEEDED, FAILED = Maker(ENDED, erased=False, lease=42), Maker(ENDED, erased=False, lease=0)
OPEN, ERASED = Maker(0, erased=False, lease=0), Maker(ENDED, erased=True, lease=42)


def uploading(file: File) -> File:
    return msgspec.structs.replace(file, state="uploading", size=0, index=())


@pytest.mark.parametrize("file", [UPLOAD, OUTPUT, INPUT], ids=["upload", "output", "input"])
@pytest.mark.parametrize("maker", [None, OPEN, FAILED], ids=["unknown", "open", "ended"])
def test_an_upload_that_has_not_come_to_its_end_goes_when_it_has_expired(file: File, maker: Maker | None) -> None:
    assert due(uploading(file), maker if file.rid else None, None, KEEP) == Due(EXPIRES, "unfinished")


def test_what_an_attempt_still_uploads_goes_at_once_when_its_request_is_erased() -> None:
    assert due(uploading(OUTPUT), ERASED, None, KEEP) == Due(0, "erased")


@pytest.mark.parametrize("file", [UPLOAD, OUTPUT, INPUT], ids=["upload", "output", "input"])
@pytest.mark.parametrize("ended_at", [0, ENDED])
@pytest.mark.parametrize("maker", [None, OPEN, SUCCEEDED, FAILED, ERASED], ids=["none", "open", "won", "lost", "erased"])
def test_what_an_open_request_refers_to_is_kept_whatever_its_record_says(
    file: File, maker: Maker | None, ended_at: int
) -> None:
    found = due(file, maker if file.rid else None, Uses(open=True, ended_at=ended_at), KEEP)
    assert found == Due(None, "in_use")
    assert step(file, found, 10**19) == "keep"


def test_what_an_open_request_has_made_is_kept() -> None:
    assert due(OUTPUT, OPEN, None, KEEP) == Due(None, "in_use")


def test_what_no_request_ever_referred_to_goes_when_it_has_expired() -> None:
    assert due(UPLOAD, None, None, KEEP) == Due(EXPIRES, "unused")


def test_what_requests_referred_to_is_kept_for_the_retention_after_the_last_of_their_ends() -> None:
    assert due(UPLOAD, None, Uses(open=False, ended_at=ENDED), KEEP) == Due(ENDED + KEEP, "retention")
    assert due(UPLOAD, None, Uses(open=False, ended_at=ENDED), 1) == Due(ENDED + 1, "retention"), "it may be the shorter one"


def test_what_only_erased_requests_referred_to_goes() -> None:
    assert due(UPLOAD, None, Uses(open=False, ended_at=0), KEEP) == Due(0, "erased")


@pytest.mark.parametrize("file", [OUTPUT, INPUT], ids=["output", "input"])
def test_what_a_request_has_made_is_kept_for_the_retention_after_its_end(file: File) -> None:
    assert due(file, SUCCEEDED, None, KEEP) == Due(ENDED + KEEP, "retention")


@pytest.mark.parametrize("file", [OUTPUT, INPUT], ids=["output", "input"])
def test_what_an_erased_request_has_made_goes(file: File) -> None:
    assert due(file, ERASED, Uses(open=False, ended_at=0), KEEP) == Due(0, "erased")


def test_what_an_erased_request_has_made_is_kept_for_another_that_took_it_for_its_input() -> None:
    other = ENDED + HOUR
    assert due(OUTPUT, ERASED, Uses(open=False, ended_at=other), KEEP) == Due(other + KEEP, "retention")


@pytest.mark.parametrize("maker", [FAILED, Maker(ENDED, erased=False, lease=43)], ids=["failed", "another succeeded"])
def test_what_an_attempt_has_made_that_came_to_nothing_goes_an_hour_after_the_end(maker: Maker) -> None:
    assert due(OUTPUT, maker, None, KEEP) == Due(ENDED + HOUR, "lost_attempt")


def test_the_input_is_of_no_attempt() -> None:
    assert due(INPUT, FAILED, None, KEEP) == Due(ENDED + KEEP, "retention")


@pytest.mark.parametrize("file", [OUTPUT, INPUT], ids=["output", "input"])
def test_what_was_made_for_a_request_that_there_is_not_goes_after_an_hour(file: File) -> None:
    assert due(file, None, None, KEEP) == Due(CREATED + HOUR, "unknown_request")


def test_only_what_has_expired_by_its_own_record_is_deleted_and_what_may_go_sooner_is_let_expire_first() -> None:
    now = EXPIRES - HOUR
    then, over = now + GRACE_NS, Due(now, "retention")
    assert step(UPLOAD, Due(EXPIRES, "unused"), now) == "keep"
    assert step(UPLOAD, over, now) == "let expire"
    expiring = let_expire(UPLOAD, now)
    assert expiring == msgspec.structs.replace(UPLOAD, expires_at=then)
    assert [step(expiring, over, at) for at in (now, then - 1, then)] == ["keep", "keep", "delete"]
    assert step(files.kept_until(expiring, now + HOUR), over, then) == "let expire", "somebody needs it"
    assert step(UPLOAD, Due(EXPIRES, "unused"), EXPIRES) == "delete"
    assert step(uploading(UPLOAD), Due(0, "erased"), now) == "delete", "nobody can have referred to it"


def test_what_has_expired_is_not_made_to_expire_later() -> None:
    assert let_expire(UPLOAD, EXPIRES + 1) == UPLOAD


def state_after(*events: RequestEvent) -> RequestState:
    state: RequestState | None = None
    for number, event in enumerate(events, 1):
        state = evolve(state, event, number, number * SECOND)
    assert state is not None
    return state


COMMON: dict[str, Any] = {"id": "0", "rid": RID, "space": "demo", "prev_seq": 0, "attempt": 0, "actor": "a", "origin": "g"}
RAW = msgspec.Raw(b"{}")
ACCEPTED = Accepted(
    **COMMON,
    user="u1",
    key_id="k1",
    input=RAW,
    body_sha256="",
    start_timeout_s=1.0,
    execution_timeout_s=1.0,
    files=(UPLOAD.id, "../no id", UPLOAD.id),
    input_file="u1." + "1" * 32,
)
ASSIGNED = Assigned(**COMMON, agent="a", conn="c", gateway="g", user="u1", input=RAW, execution_timeout_s=1.0)
WON = Succeeded(
    **COMMON, agent="a", gateway="g", output=RAW, output_sha256="", files=(OUTPUT.id,), output_file=f"{RID}.2." + "1" * 32
)


def test_a_request_says_when_it_ended_whether_it_is_erased_and_which_attempt_succeeded() -> None:
    assert Maker.of(state_after(ACCEPTED, ASSIGNED)) == Maker(0, erased=False, lease=0)
    assert Maker.of(state_after(ACCEPTED, ASSIGNED, WON)) == Maker(3 * SECOND, erased=False, lease=2)
    assert Maker.of(state_after(ACCEPTED, ASSIGNED, Canceled(**COMMON))) == Maker(3 * SECOND, erased=False, lease=0)
    assert Maker.of(state_after(ACCEPTED, ASSIGNED, WON, Erased(**COMMON))) == Maker(3 * SECOND, erased=True, lease=2)


def test_the_files_of_a_request_are_those_of_its_input_and_its_output_also_when_it_is_erased() -> None:
    assert files_of(state_after(ACCEPTED)) == [UPLOAD.id, "u1." + "1" * 32]
    everything = sorted([UPLOAD.id, "u1." + "1" * 32, OUTPUT.id, f"{RID}.2." + "1" * 32])
    assert files_of(state_after(ACCEPTED, ASSIGNED, WON)) == everything
    assert files_of(state_after(ACCEPTED, ASSIGNED, WON, Erased(**COMMON))) == everything


def test_a_space_keeps_files_as_long_as_its_requests_and_else_as_long_as_the_platform_does() -> None:
    directory = Directory()
    entry: dict[str, Any] = {"prev_seq": 0, "actor": "a", "owner": "u1"}
    for seq, (space, retention_s) in enumerate({"ever": None, "hour": 3600.0, "gone": 60.0}.items(), 1):
        event = SpaceCreated(**entry, id=space, space=space, retention_s=retention_s)
        directory.apply(event, "space", space, seq)
    directory.apply(SpaceDeleted(id="d", prev_seq=3, actor="a", space="gone"), "space", "gone", 4)
    assert [kept_ns(directory, space, 5.0) for space in ("ever", "hour", "gone", "none")] == [
        *(5 * SECOND, HOUR, 60 * SECOND, 5 * SECOND),
    ]


def test_the_table_has_the_newest_record_of_each_file_in_the_order_of_their_ids() -> None:
    table = FileTable()
    ids = [f"u1.{number:032x}" for number in (3, 1, 2)]
    for id in ids:
        table.fold(msgspec.structs.replace(UPLOAD, id=id, nuid=id[-1]))
    table.fold(msgspec.structs.replace(UPLOAD, id=ids[1], nuid="1", size=32, revision=9))
    assert [file.id for file in table.after("", 10)] == sorted(ids)
    assert [file.id for file in table.after(ids[1], 1)] == [ids[2]]
    assert table.after(ids[0], 10) == []
    assert (len(table), table.bytes) == (3, 52)
    assert table.after("", 1) == [msgspec.structs.replace(UPLOAD, id=ids[1], nuid="1", size=32, revision=9, index=())]


def test_of_a_deleted_file_the_table_knows_only_that_its_bytes_may_be_left() -> None:
    table = FileTable()
    table.fold(UPLOAD)
    assert table.knows("n1")
    table.fold(files.deleted(UPLOAD))
    assert (len(table), table.bytes, table.left) == (0, 0, {"n1": UPLOAD.id})
    assert table.knows("n1")
    del table.left["n1"]
    assert not table.knows("n1")
    table.leave_alone("n2")
    assert table.knows("n2")
    table.clear()
    assert not table.knows("n2")


def test_an_operator_reads_what_a_pass_has_done() -> None:
    done = Collected()
    assert (str(done), done.changed) == ("nothing to delete", False)
    done.deleted.update({"erased": 2, "lost_attempt": 1})
    done.bytes, done.expiring, done.left = 64 * 1024 * 1024, 1, 2
    assert str(done) == (
        "deleted 3 files of 67.1 MB (2 erased, 1 lost attempt); let 1 file expire; removed what was left of 2 files"
    )
    assert done.changed
