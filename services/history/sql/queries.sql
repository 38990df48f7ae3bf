-- Every statement of the history service. `-- name:` begins one.

-- name: position
-- How far a stream is recorded.
SELECT epoch, first_seq, seq FROM log_position WHERE stream = $1

-- name: positions
SELECT stream, epoch, first_seq, seq FROM log_position ORDER BY stream

-- name: begin_position
-- A stream that was never recorded begins before its first message; another replica may have begun it.
INSERT INTO log_position (stream, epoch, first_seq, seq) VALUES ($1, $2, $3, $3::bigint - 1) ON CONFLICT DO NOTHING

-- name: advance_position
-- No row: another recorder was first. Locks the row, so that batches and the end of a rebuild follow each other.
UPDATE log_position SET seq = $4 WHERE stream = $1 AND epoch = $2 AND seq = $3

-- name: recorded_message
-- What was recorded at a position, to compare with what the stream holds there.
SELECT at, subject FROM event_log WHERE stream = $1 AND epoch = $2 AND seq = $3
UNION ALL
SELECT at, subject FROM event_conflicts WHERE stream = $1 AND epoch = $2 AND seq = $3

-- name: insert_payloads
INSERT INTO payloads (sha256, data) SELECT * FROM unnest($1::bytea[], $2::bytea[]) ON CONFLICT DO NOTHING

-- name: insert_events
-- Fewer rows inserted than given: some contradict the log.
INSERT INTO event_log (stream, epoch, seq, at, subject, rid, type, prev_seq, payload_sha, data)
SELECT $1, $2, entry.*
FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bytea[], $10::bytea[]) AS entry
ON CONFLICT DO NOTHING

-- name: inserted
-- Which of these our own transaction has inserted.
SELECT seq FROM event_log
WHERE stream = $1 AND epoch = $2 AND seq = ANY ($3::bigint[]) AND xmin = pg_current_xact_id()::xid

-- name: insert_conflicts
INSERT INTO event_conflicts (stream, epoch, seq, at, subject, data, reason)
SELECT $1, $2, conflict.*
FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::bytea[], $7::text[]) AS conflict
ON CONFLICT DO NOTHING

-- name: is_whole
-- Whether no row was taken from the read tables since they were made or rebuilt.
SELECT whole FROM read_table

-- name: make_whole
-- The last word of a rebuild: its own deletions took only what the log does not give.
UPDATE read_table SET whole = true

-- name: states
SELECT state FROM requests WHERE rid = ANY ($1::text[]) AND epoch = $2

-- name: upsert_requests
INSERT INTO requests (rid, epoch, part, space, user_id, status, attempt, accepted_seq, accepted_at, completed_at, last_seq, state,
                      erased, erase_at, waited_ns, ran_s)
SELECT * FROM unnest(
    $1::text[], $2::bigint[], $3::smallint[], $4::text[], $5::text[], $6::text[],
    $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bytea[],
    $13::boolean[], $14::bigint[], $15::bigint[], $16::double precision[]
)
ON CONFLICT (rid) DO UPDATE SET
    epoch = excluded.epoch, status = excluded.status, attempt = excluded.attempt, accepted_seq = excluded.accepted_seq,
    accepted_at = excluded.accepted_at, completed_at = excluded.completed_at, last_seq = excluded.last_seq,
    state = excluded.state, erased = excluded.erased, erase_at = excluded.erase_at,
    waited_ns = excluded.waited_ns, ran_s = excluded.ran_s
WHERE requests.last_seq < excluded.last_seq

-- name: insert_request_files
INSERT INTO request_files (file, rid) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING

-- name: file_makers
SELECT state FROM requests WHERE rid = ANY ($1::text[])

-- name: file_uses
-- What has become of the requests whose events refer to some files.
SELECT file, bool_or(completed_at IS NULL) AS open, coalesce(max(completed_at) FILTER (WHERE NOT erased), 0) AS ended_at
FROM request_files JOIN requests USING (rid)
WHERE file = ANY ($1::text[])
GROUP BY file

-- name: skeletons
-- Chains of some requests in one epoch, without their payloads.
SELECT seq, at, data FROM event_log
WHERE stream = 'REQUESTS' AND rid = ANY ($1::text[]) AND epoch = $2
ORDER BY seq

-- name: chain
-- All events of a request with their payloads. Those of an erased one may still be there for the sake of others.
SELECT event_log.seq, at, subject, event_log.data, payload_sha, payloads.data AS payload
FROM event_log LEFT JOIN payloads ON payloads.sha256 = payload_sha
    AND NOT EXISTS (SELECT FROM event_log AS erased
                    WHERE erased.stream = 'REQUESTS' AND erased.rid = $1 AND erased.type = 'erased')
WHERE stream = 'REQUESTS' AND rid = $1
ORDER BY epoch, seq

-- name: scrub_events
-- What is left of events whose requests are erased.
UPDATE event_log SET data = scrubbed.data
FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS scrubbed (epoch, seq, data)
WHERE stream = 'REQUESTS' AND event_log.epoch = scrubbed.epoch AND event_log.seq = scrubbed.seq

-- name: delete_payloads
-- The payloads of erased requests to which no other request refers.
DELETE FROM payloads
WHERE sha256 IN (SELECT payload_sha FROM event_log WHERE stream = 'REQUESTS' AND rid = ANY ($1::text[]))
    AND NOT EXISTS (
        SELECT FROM event_log AS other
        WHERE other.payload_sha = payloads.sha256 AND other.type <> 'assigned'
            AND NOT EXISTS (SELECT FROM event_log AS erased
                            WHERE erased.stream = 'REQUESTS' AND erased.rid = other.rid AND erased.type = 'erased')
    )

-- name: scrub_conflicts
-- Events of erased requests that could not be part of the log.
UPDATE event_conflicts SET data = '' WHERE stream = 'REQUESTS' AND split_part(subject, '.', 4) = ANY ($1::text[])

-- name: scrub_leftovers
-- Events of erased requests that recoveries have found.
UPDATE leftovers SET data = '' WHERE stream = 'REQUESTS' AND split_part(subject, '.', 4) = ANY ($1::text[])

-- name: scrub_erased_leftovers
-- The same for requests that were erased before a recovery has found them.
UPDATE leftovers SET data = '' FROM event_log AS erased
WHERE leftovers.stream = 'REQUESTS' AND leftovers.data <> ''
    AND erased.stream = 'REQUESTS' AND erased.rid = split_part(leftovers.subject, '.', 4) AND erased.type = 'erased'

-- name: begin_erasures
INSERT INTO erasures (rid, seq, at) SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[]) ON CONFLICT DO NOTHING

-- name: due_erasures
SELECT rid, seq FROM erasures WHERE at <= $1 ORDER BY at LIMIT $2

-- name: end_erasure
DELETE FROM erasures WHERE rid = $1

-- name: spaces_since
-- What has become of the spaces after a position.
SELECT epoch, seq, data FROM event_log
WHERE stream = 'DIRECTORY' AND (epoch, seq) > ($1, $2) AND subject LIKE 'ws.dir.space.%'
ORDER BY epoch, seq

-- name: due_in_spaces
-- Requests of some spaces ($1) that ended up to an instant of each ($2) and have their data still, the oldest of each first.
SELECT due.rid, due.state FROM unnest($1::text[], $2::bigint[]) AS kept (space, until)
CROSS JOIN LATERAL (
    SELECT rid, state FROM requests
    WHERE requests.space = kept.space AND completed_at IS NOT NULL AND NOT erased AND completed_at <= kept.until
    ORDER BY completed_at LIMIT $3
) AS due
LIMIT $3

-- name: due_by_themselves
-- Requests whose own retention has passed.
SELECT rid, state FROM requests WHERE erase_at <= $1 ORDER BY erase_at LIMIT $2

-- name: note_erased
-- A recorder of a version that knew no such column has recorded that they are erased.
UPDATE requests SET erased = true, erase_at = NULL WHERE rid = ANY ($1::text[])

-- name: refused
-- Refused frames that concern a request.
SELECT seq, at, subject, data FROM event_log WHERE stream = 'CONNECTIONS' AND rid = $1 ORDER BY seq

-- name: custom_plans
-- Until the end of the transaction a statement is planned for its values: filters that are not given vanish from it, and what
-- remains finds its index.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true)

-- name: requests_older
-- Requests in the order of their acceptance, the newest first: of a user ($1), of a space ($2) or of some ($3), with some
-- statuses ($4), all of them of open requests ($5), accepted in a span of time ($6, $7), behind a place ($8, $9).
SELECT state FROM requests
WHERE ($1::text IS NULL OR user_id = $1)
    AND ($2::text IS NULL OR space = $2)
    AND ($3::text[] IS NULL OR space = ANY ($3))
    AND ($4::text[] IS NULL OR status = ANY ($4))
    AND (NOT $5::boolean OR completed_at IS NULL)
    AND accepted_at >= $6 AND accepted_at < $7
    AND (accepted_at, rid) < ($8, $9)
ORDER BY accepted_at DESC, rid DESC LIMIT $10

-- name: requests_newer
-- The same before a place, the nearest to it first.
SELECT state FROM requests
WHERE ($1::text IS NULL OR user_id = $1)
    AND ($2::text IS NULL OR space = $2)
    AND ($3::text[] IS NULL OR space = ANY ($3))
    AND ($4::text[] IS NULL OR status = ANY ($4))
    AND (NOT $5::boolean OR completed_at IS NULL)
    AND accepted_at >= $6 AND accepted_at < $7
    AND (accepted_at, rid) > ($8, $9)
ORDER BY accepted_at, rid LIMIT $10

-- name: connections_older
-- Beginnings of connections behind a place, the newest first.
SELECT at, subject, data FROM event_log
WHERE stream = 'CONNECTIONS' AND type = 'connected' AND (at, subject COLLATE "C") < ($1, $2)
ORDER BY at DESC, subject COLLATE "C" DESC

-- name: connections_newer
-- The same before a place, the nearest to it first.
SELECT at, subject, data FROM event_log
WHERE stream = 'CONNECTIONS' AND type = 'connected' AND (at, subject COLLATE "C") > ($1, $2)
ORDER BY at, subject COLLATE "C"

-- name: disconnected
-- How connections have ended, by the subjects of their ends.
SELECT at, data FROM event_log
WHERE stream = 'CONNECTIONS' AND type = 'disconnected' AND subject = ANY ($1::text[])
ORDER BY epoch DESC, seq DESC

-- name: count_outcomes
-- How many requests ended in a span of time ($1, $2), by status: of some partitions ($3), a user ($4), a space ($5), some ($6).
SELECT status, count(*) AS requests FROM requests
WHERE completed_at > $1 AND completed_at <= $2 AND part = ANY ($3::smallint[])
    AND ($4::text IS NULL OR user_id = $4)
    AND ($5::text IS NULL OR space = $5)
    AND ($6::text[] IS NULL OR space = ANY ($6))
GROUP BY status

-- name: count_accepted
-- How many requests were accepted in that span.
SELECT count(*) FROM requests
WHERE accepted_at > $1 AND accepted_at <= $2 AND part = ANY ($3::smallint[])
    AND ($4::text IS NULL OR user_id = $4)
    AND ($5::text IS NULL OR space = $5)
    AND ($6::text[] IS NULL OR space = ANY ($6))

-- name: latest_outcomes
-- The latest of those that ended in that span and were run, $7 of each partition at most.
SELECT latest.state FROM unnest($3::smallint[]) AS wanted (part)
CROSS JOIN LATERAL (
    SELECT state, completed_at FROM requests
    WHERE requests.part = wanted.part AND completed_at > $1 AND completed_at <= $2 AND attempt > 0
        AND ($4::text IS NULL OR user_id = $4)
        AND ($5::text IS NULL OR space = $5)
        AND ($6::text[] IS NULL OR space = ANY ($6))
    ORDER BY completed_at DESC LIMIT $7
) AS latest
ORDER BY latest.completed_at DESC LIMIT $7

-- name: statement_timeout
-- Until the end of the transaction no statement may take longer.
SELECT set_config('statement_timeout', $1, true)

-- name: series_flow
-- Requests that have ended since an instant ($1), of a user ($3), of a space ($4) or of some ($5): how many came in, waited no
-- longer, and ended with which status, in which spans of $2 nanoseconds from that instant on; -1: before. One look at each.
SELECT
    CASE WHEN accepted_at < $1 THEN -1 ELSE (accepted_at - $1) / $2 END AS came,
    CASE WHEN coalesce(accepted_at + waited_ns, completed_at) < $1 THEN -1
         ELSE (coalesce(accepted_at + waited_ns, completed_at) - $1) / $2 END AS went,
    (completed_at - $1) / $2 AS ended,
    outcome AS status,
    count(*) AS requests
FROM requests
WHERE completed_at >= $1
    AND ($3::text IS NULL OR user_id = $3)
    AND ($4::text IS NULL OR space = $4)
    AND ($5::text[] IS NULL OR space = ANY ($5))
GROUP BY came, went, ended, outcome

-- name: series_waiting
-- The same of those that wait now.
SELECT CASE WHEN accepted_at < $1 THEN -1 ELSE (accepted_at - $1) / $2 END AS came, count(*) AS requests
FROM requests
WHERE completed_at IS NULL AND status = 'queued'
    AND ($3::text IS NULL OR user_id = $3)
    AND ($4::text IS NULL OR space = $4)
    AND ($5::text[] IS NULL OR space = ANY ($5))
GROUP BY came

-- name: running
-- What is run now: of a user ($1), of a space ($2) or of some ($3).
SELECT state FROM requests
WHERE completed_at IS NULL AND status = 'processing'
    AND ($1::text IS NULL OR user_id = $1)
    AND ($2::text IS NULL OR space = $2)
    AND ($3::text[] IS NULL OR space = ANY ($3))

-- name: series_durations
-- How long those of the $6 spans had waited and ran, by nearest rank: in each span, and (bucket null) in all. Of one request in
-- $7, chosen by the last digits of the nanosecond in which it ended: sorting all would take long.
SELECT
    (completed_at - $1) / $2 AS bucket,
    count(*) FILTER (WHERE waited_ns IS NOT NULL) AS sampled,
    percentile_disc('{0.5, 0.9, 0.99}'::double precision[]) WITHIN GROUP (ORDER BY waited_ns) AS waited_ns,
    percentile_disc('{0.5, 0.9, 0.99}'::double precision[]) WITHIN GROUP (ORDER BY ran_s) AS ran_s
FROM requests
WHERE completed_at >= $1 AND completed_at < $1 + $2 * $6 AND completed_at % $7 = 0
    AND ($3::text IS NULL OR user_id = $3)
    AND ($4::text IS NULL OR space = $4)
    AND ($5::text[] IS NULL OR space = ANY ($5))
GROUP BY GROUPING SETS ((bucket), ())

-- name: series_connections
-- Connections that were there at some time from one instant ($1) up to another ($2), and began after a third ($3), the latest
-- first, $4 at most.
SELECT began.at AS began_at, ended.at AS ended_at, began.data
FROM event_log AS began
LEFT JOIN event_log AS ended ON ended.stream = 'CONNECTIONS' AND ended.type = 'disconnected'
    AND ended.subject = replace(began.subject, '.connected', '.disconnected')
WHERE began.stream = 'CONNECTIONS' AND began.type = 'connected' AND began.at < $2 AND began.at > $3
    AND (ended.at IS NULL OR ended.at >= $1)
ORDER BY began.at DESC LIMIT $4

-- name: database
SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS size_bytes,
    (SELECT count(*) FROM event_conflicts) AS conflicts, (SELECT whole FROM read_table) AS whole

-- name: waiting_spaces
-- Where requests wait now: of a user ($1), of a space ($2) or of some ($3).
SELECT space, count(*) AS requests, min(accepted_at) AS oldest_at FROM requests
WHERE completed_at IS NULL AND status = 'queued'
    AND ($1::text IS NULL OR user_id = $1)
    AND ($2::text IS NULL OR space = $2)
    AND ($3::text[] IS NULL OR space = ANY ($3))
GROUP BY space

-- name: waited_spaces
-- Where requests waited at an instant ($1): of those that have ended since, and that still do.
SELECT space, count(*) AS requests
FROM (
    SELECT space, user_id FROM requests
    WHERE completed_at > $1 AND accepted_at <= $1 AND coalesce(accepted_at + waited_ns, completed_at) > $1
    UNION ALL
    SELECT space, user_id FROM requests WHERE completed_at IS NULL AND status = 'queued' AND accepted_at <= $1
) AS waited
WHERE ($2::text IS NULL OR user_id = $2)
    AND ($3::text IS NULL OR space = $3)
    AND ($4::text[] IS NULL OR space = ANY ($4))
GROUP BY space

-- name: judged_spaces
-- Of the latest $2 successes and failures of each space since an instant ($1), how many are failures.
SELECT space, count(*) AS outcomes, count(*) FILTER (WHERE outcome = 'failed') AS failed
FROM (
    SELECT space, outcome, row_number() OVER (PARTITION BY space ORDER BY completed_at DESC) AS place FROM requests
    WHERE completed_at > $1 AND outcome IN ('succeeded', 'failed')
        AND ($3::text IS NULL OR user_id = $3)
        AND ($4::text IS NULL OR space = $4)
        AND ($5::text[] IS NULL OR space = ANY ($5))
) AS latest
WHERE place <= $2
GROUP BY space

-- name: latest_connections
SELECT at, subject, data FROM event_log
WHERE stream = 'CONNECTIONS' AND type = 'connected' AND at > $1
ORDER BY at DESC LIMIT $2

-- name: open_chains
-- Chains of a page of open requests of a partition. The input of an `assigned` is that of its `accepted`: left out.
SELECT log.rid, log.seq, log.at, log.subject, log.type, log.data, log.payload_sha, payloads.data AS payload
FROM (
    SELECT rid, epoch FROM requests
    WHERE part = $1 AND completed_at IS NULL AND rid > $2 AND epoch = $3
    ORDER BY rid LIMIT $4
) AS page
JOIN event_log AS log ON log.stream = 'REQUESTS' AND log.rid = page.rid AND log.epoch = page.epoch
LEFT JOIN payloads ON payloads.sha256 = log.payload_sha AND log.type <> 'assigned'
ORDER BY log.rid, log.seq

-- name: analyze
-- PostgreSQL does this by itself, but only after a minute or so: until then it may read a log that grows fast from end to end
-- for each page of open requests.
ANALYZE (SKIP_LOCKED) event_log, payloads, requests

-- name: trim_positions
SELECT part, below_seq, swept_at FROM trim_position

-- name: oldest_kept
-- The oldest request of a partition, from a sequence on, that is open or closed after an instant. What the stream of a
-- former epoch held is not in this one.
SELECT accepted_seq FROM requests
WHERE part = $1 AND accepted_seq >= $2 AND (completed_at IS NULL OR completed_at > $3) AND epoch = $4
ORDER BY accepted_seq LIMIT 1

-- name: stuck
-- Chains closed in a span of time that still have events at or after a sequence.
SELECT rid, completed_at FROM requests
WHERE part = $1 AND completed_at > $2 AND completed_at <= $3 AND last_seq >= $4 AND epoch = $6
ORDER BY completed_at LIMIT $5

-- name: trimmed
INSERT INTO trim_position (part, below_seq, swept_at) VALUES ($1, $2, $3)
ON CONFLICT (part) DO UPDATE SET below_seq = excluded.below_seq, swept_at = excluded.swept_at

-- name: log_size
SELECT count(*) FROM event_log WHERE stream = 'REQUESTS'

-- name: all_skeletons
-- The whole log of requests, chain by chain.
SELECT rid, epoch, seq, at, subject, type, prev_seq, payload_sha, data FROM event_log
WHERE stream = 'REQUESTS'
ORDER BY rid, epoch, seq

-- name: whole_skeletons
-- The same for some requests.
SELECT rid, epoch, seq, at, subject, type, prev_seq, payload_sha, data FROM event_log
WHERE stream = 'REQUESTS' AND rid = ANY ($1::text[])
ORDER BY rid, epoch, seq

-- name: all_requests
-- Both read tables by request, with all files to which one refers. Each may have requests that the other has not.
SELECT rid, epoch, part, space, user_id, status, attempt, accepted_seq, accepted_at, completed_at, last_seq, state,
    erased, erase_at, waited_ns, ran_s, coalesce(files, '{}') AS files
FROM requests
FULL JOIN (SELECT rid, array_agg(file ORDER BY file) AS files FROM request_files GROUP BY rid) AS referred USING (rid)
ORDER BY rid

-- name: log_gaps
-- Sequences that are in neither log nor conflicts: (stream, epoch, last before the gap, first after it).
SELECT stream, epoch, before, seq FROM (
    SELECT stream, epoch, seq, lag(seq) OVER (PARTITION BY stream, epoch ORDER BY seq) AS before
    FROM (
        SELECT stream, epoch, seq FROM event_log
        UNION ALL
        SELECT stream, epoch, seq FROM event_conflicts
    ) AS present
) AS pairs
WHERE seq > before + 1
ORDER BY stream, epoch, seq LIMIT $1

-- name: log_ends
-- First and last sequence that the log has of each stream's epochs, beside how far they are recorded.
SELECT stream, epoch, position.first_seq, position.seq, min(present.seq) AS begins, max(present.seq) AS ends
FROM (
    SELECT stream, epoch, first_seq, seq FROM log_position
    UNION ALL
    SELECT stream, epoch, first_seq, seq FROM former_positions
) AS position
LEFT JOIN (
    SELECT stream, epoch, seq FROM event_log
    UNION ALL
    SELECT stream, epoch, seq FROM event_conflicts
) AS present USING (stream, epoch)
GROUP BY stream, epoch, position.first_seq, position.seq
ORDER BY stream, epoch

-- name: conflicts
SELECT stream, epoch, seq, reason FROM event_conflicts ORDER BY recorded_at, stream, seq LIMIT $1

-- name: count_conflicts
SELECT count(*) FROM event_conflicts

-- name: lost_payloads
-- Events whose payload is missing although their request was not erased.
SELECT log.rid, log.seq FROM event_log AS log
WHERE log.stream = 'REQUESTS' AND log.payload_sha IS NOT NULL
    AND NOT EXISTS (SELECT FROM payloads WHERE sha256 = log.payload_sha)
    AND NOT EXISTS (SELECT FROM event_log AS erased
                    WHERE erased.stream = 'REQUESTS' AND erased.rid = log.rid AND erased.type = 'erased')
ORDER BY log.seq LIMIT $1

-- name: damaged_payloads
SELECT encode(sha256, 'hex') AS sha256 FROM payloads WHERE sha256(data) <> sha256 LIMIT $1

-- name: create_rebuilt
CREATE TEMPORARY TABLE rebuilt (LIKE requests INCLUDING DEFAULTS, PRIMARY KEY (rid))

-- name: create_rebuilt_files
CREATE TEMPORARY TABLE rebuilt_files (rid text COLLATE "C", file text COLLATE "C", PRIMARY KEY (rid, file))

-- name: lock_position
-- Holds the recorder's next batch until our transaction has ended.
SELECT epoch, seq FROM log_position WHERE stream = 'REQUESTS' FOR UPDATE

-- name: changed_since
-- Requests with events after a position.
SELECT DISTINCT rid FROM event_log WHERE stream = 'REQUESTS' AND (epoch, seq) > ($1, $2) ORDER BY rid

-- name: delete_rebuilt
DELETE FROM rebuilt WHERE rid = ANY ($1::text[])

-- name: delete_rebuilt_files
DELETE FROM rebuilt_files WHERE rid = ANY ($1::text[])

-- name: count_rebuilt
SELECT count(*) FROM rebuilt

-- name: rebuild_lock
SELECT pg_try_advisory_lock($1)

-- name: delete_unfounded
-- Rows of the read table that the log does not give.
DELETE FROM requests WHERE NOT EXISTS (SELECT FROM rebuilt WHERE rebuilt.rid = requests.rid)

-- name: replace_requests
-- Not truncate and insert: a reader's snapshot must never see an empty table.
INSERT INTO requests (rid, epoch, part, space, user_id, status, attempt, accepted_seq, accepted_at, completed_at, last_seq, state,
                      erased, erase_at, waited_ns, ran_s)
SELECT rid, epoch, part, space, user_id, status, attempt, accepted_seq, accepted_at, completed_at, last_seq, state,
    erased, erase_at, waited_ns, ran_s
FROM rebuilt
ON CONFLICT (rid) DO UPDATE SET
    epoch = excluded.epoch, part = excluded.part, space = excluded.space, user_id = excluded.user_id,
    status = excluded.status, attempt = excluded.attempt, accepted_seq = excluded.accepted_seq,
    accepted_at = excluded.accepted_at, completed_at = excluded.completed_at, last_seq = excluded.last_seq,
    state = excluded.state, erased = excluded.erased, erase_at = excluded.erase_at,
    waited_ns = excluded.waited_ns, ran_s = excluded.ran_s
WHERE requests IS DISTINCT FROM excluded

-- name: delete_unfounded_files
DELETE FROM request_files WHERE NOT EXISTS (
    SELECT FROM rebuilt_files WHERE rebuilt_files.rid = request_files.rid AND rebuilt_files.file = request_files.file
)

-- name: insert_missing_files
INSERT INTO request_files (rid, file) SELECT rid, file FROM rebuilt_files ON CONFLICT DO NOTHING

-- name: stranded
-- Open requests of an epoch that has ended.
SELECT rid, requests.epoch FROM requests, log_position
WHERE stream = 'REQUESTS' AND completed_at IS NULL AND requests.epoch < log_position.epoch
ORDER BY rid LIMIT $1

-- name: latest_recovery
SELECT epoch, completed_at IS NOT NULL FROM recoveries ORDER BY epoch DESC LIMIT 1

-- name: recoveries_complete
-- Whether every recovery that was begun has come to its end; one that others took the place of counts as such.
SELECT coalesce((SELECT completed_at IS NOT NULL FROM recoveries ORDER BY epoch DESC LIMIT 1), true)

-- name: begin_recovery
INSERT INTO recoveries (epoch) VALUES ($1)

-- name: complete_recovery
UPDATE recoveries SET completed_at = now() WHERE epoch = $1

-- name: keep_former_position
-- How far the epoch that ends is recorded. Locks the row: no batch of that epoch can be recorded any more.
WITH ended AS (SELECT stream, epoch, first_seq, seq FROM log_position WHERE stream = $1 FOR UPDATE),
     kept AS (INSERT INTO former_positions SELECT * FROM ended)
SELECT seq FROM ended

-- name: turn_to_epoch
UPDATE log_position SET epoch = $2, first_seq = $3, seq = $3::bigint - 1 WHERE stream = $1

-- name: stamps
-- What is recorded at these sequences.
SELECT seq, at, subject FROM event_log WHERE stream = $1 AND epoch = $2 AND seq = ANY ($3::bigint[])
UNION ALL
SELECT seq, at, subject FROM event_conflicts WHERE stream = $1 AND epoch = $2 AND seq = ANY ($3::bigint[])

-- name: last_known_at
-- The instant of the last request event before an epoch that log or leftovers have.
SELECT max(at) FROM (
    SELECT at FROM event_log WHERE stream = 'REQUESTS' AND epoch < $1
    UNION ALL
    SELECT at FROM leftovers WHERE stream = 'REQUESTS'
) AS known

-- name: open_in_log
-- Requests without an outcome, by the place of their chain's first event in the newest epoch that has it: from the log
-- alone, whatever the read table says.
SELECT rid FROM event_log AS first
WHERE stream = 'REQUESTS' AND type IN ('accepted', 'restored')
    AND NOT EXISTS (SELECT FROM event_log AS outcome
                    WHERE outcome.stream = 'REQUESTS' AND outcome.rid = first.rid
                        AND outcome.type IN ('succeeded', 'failed', 'canceled', 'expired'))
GROUP BY rid ORDER BY max(seq), rid

-- name: closed_in_log
-- Which of these requests have an outcome.
SELECT rid FROM event_log
WHERE stream = 'REQUESTS' AND rid = ANY ($1::text[]) AND type IN ('succeeded', 'failed', 'canceled', 'expired')

-- name: chains_of
-- Whole chains of some requests. The input of an `assigned` is that of its `accepted`: left out.
SELECT log.rid, log.epoch, log.seq, log.at, log.type, log.data, log.payload_sha, payloads.data AS payload
FROM event_log AS log
LEFT JOIN payloads ON payloads.sha256 = log.payload_sha AND log.type <> 'assigned'
WHERE log.stream = 'REQUESTS' AND log.rid = ANY ($1::text[])
ORDER BY log.rid, log.epoch, log.seq

-- name: first_events_since
-- First events of requests from an instant on.
SELECT data, at FROM event_log
WHERE stream = 'REQUESTS' AND type IN ('accepted', 'restored') AND at >= $1
ORDER BY at

-- name: directory_events
-- The directory's events in the order in which they were stored.
SELECT data FROM event_log WHERE stream = 'DIRECTORY' ORDER BY epoch, seq

-- name: leftovers
-- What was found in a stream by the recoveries after the last complete one, in its order.
SELECT epoch, seq, at, subject, data FROM leftovers
WHERE stream = $1 AND begun > (SELECT coalesce(max(epoch), 0) FROM recoveries WHERE completed_at IS NOT NULL)
ORDER BY epoch, seq

-- name: mark_repeated
-- Which of these events of the directory a recovery has appended again. An event's own id is the first in its JSON.
UPDATE event_log AS log SET repeats = true
WHERE stream = 'DIRECTORY' AND epoch = $1 AND seq = ANY ($2::bigint[]) AND EXISTS (
    SELECT FROM event_log AS former
    WHERE former.stream = 'DIRECTORY' AND former.subject = log.subject AND former.epoch < $1
        AND position(decode(substring(encode(log.data, 'escape') FROM '"id":"[^"]*"'), 'escape') IN former.data) > 0
)

-- name: audit_older
-- Events of the directory behind a place ($1, $2), the newest first: in a span of time ($3, $4), of some types ($5), of one
-- entry ($6, how its subjects begin), whose JSON has a text ($7), and one of two others unless they have some subject ($8).
SELECT at, subject, data FROM event_log
WHERE stream = 'DIRECTORY' AND NOT repeats
    AND (at, subject COLLATE "C") < ($1, $2)
    AND at >= $3 AND at < $4
    AND ($5::text[] IS NULL OR type = ANY ($5))
    AND ($6::text IS NULL OR starts_with(subject, $6))
    AND ($7::bytea IS NULL OR position($7 IN data) > 0)
    AND ($8::text[] IS NULL OR subject = ANY ($8) OR position($9::bytea IN data) > 0 OR position($10::bytea IN data) > 0)
ORDER BY at DESC, subject COLLATE "C" DESC

-- name: audit_newer
-- The same before a place, the nearest to it first.
SELECT at, subject, data FROM event_log
WHERE stream = 'DIRECTORY' AND NOT repeats
    AND (at, subject COLLATE "C") > ($1, $2)
    AND at >= $3 AND at < $4
    AND ($5::text[] IS NULL OR type = ANY ($5))
    AND ($6::text IS NULL OR starts_with(subject, $6))
    AND ($7::bytea IS NULL OR position($7 IN data) > 0)
    AND ($8::text[] IS NULL OR subject = ANY ($8) OR position($9::bytea IN data) > 0 OR position($10::bytea IN data) > 0)
ORDER BY at, subject COLLATE "C"

-- name: keys_created
-- First events of keys, by their subjects.
SELECT data FROM event_log WHERE stream = 'DIRECTORY' AND subject = ANY ($1::text[])

-- name: keys_created_with
-- First events of keys whose JSON has a text.
SELECT data FROM event_log
WHERE stream = 'DIRECTORY' AND NOT repeats AND type IN ('api_key_created', 'agent_key_created') AND position($1 IN data) > 0

-- name: content
-- What the database holds, and of which versions it is.
SELECT current_setting('server_version') AS version,
    (SELECT max(version) FROM schema_migrations) AS schema,
    (SELECT count(*) FROM event_log) AS events,
    (SELECT count(*) FROM requests) AS requests,
    (SELECT count(*) FROM requests WHERE completed_at IS NULL) AS open_requests;

-- name: positions
-- How far each stream is recorded.
SELECT stream, epoch, seq FROM log_position ORDER BY stream;
