-- How long a request has waited and run, for statements that count many of them. Both are written with its outcome and never
-- change before, so an update while the request is open stays as cheap as it was. What a recorder of an older version records
-- meanwhile has none: `spaces log rebuild` gives it.
ALTER TABLE requests
    ADD COLUMN waited_ns bigint,          -- from acceptance to the last assignment; null: it was not assigned when it ended
    ADD COLUMN ran_s     double precision; -- the handler's time; null: no handler has ended it

-- Out of the state, by where its numbers stand: jsonb refuses some strings that JSON may have, and inputs have any string.
-- What stands before and behind an instant in nanoseconds that the database alone knows was written by no client.
CREATE FUNCTION pg_temp.numbers_of(state bytea, completed_at bigint, OUT assigned_at bigint, OUT ran_s double precision)
LANGUAGE plpgsql AS $$
DECLARE
    said text := convert_from(state, 'UTF8');
    here integer := strpos(said, '"completed_at":' || completed_at || ',"started_s":');
BEGIN
    IF here > 0 THEN
        assigned_at := substring(right(left(said, here - 1), 40) from '"assigned_at":(\d+),$')::bigint;
        ran_s := substring(substr(said, here, 200) from '"run_s":([-+.0-9eE]+)')::double precision;
    END IF;
END
$$;

UPDATE requests SET (waited_ns, ran_s) = (
    SELECT
        CASE WHEN numbers.assigned_at > 0 THEN numbers.assigned_at - requests.accepted_at END,
        CASE WHEN requests.status IN ('succeeded', 'failed') AND numbers.ran_s > 0 THEN numbers.ran_s END
    FROM pg_temp.numbers_of(requests.state, requests.completed_at) AS numbers
)
WHERE attempt > 0 AND completed_at IS NOT NULL;

DROP FUNCTION pg_temp.numbers_of (bytea, bigint);

-- Everything that is counted over a span of time, without a look into the table.
CREATE INDEX requests_in_time ON requests (completed_at)
    INCLUDE (accepted_at, status, waited_ns, ran_s, space, user_id) WHERE completed_at IS NOT NULL;
