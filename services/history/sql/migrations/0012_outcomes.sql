-- The status that a request has ended with; null while it is open. It takes the place of its status in the index of what is
-- counted, which changes before: PostgreSQL writes a row anew in every index when a column changes that stands in any of them,
-- and what happens to a request while it is open shall touch none.
ALTER TABLE requests
    ADD COLUMN outcome text GENERATED ALWAYS AS (CASE WHEN completed_at IS NOT NULL THEN status END) STORED;

DROP INDEX requests_in_time;
CREATE INDEX requests_in_time ON requests (completed_at)
    INCLUDE (accepted_at, outcome, waited_ns, ran_s, space, user_id) WHERE completed_at IS NOT NULL;
