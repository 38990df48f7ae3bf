-- The read table: one row per request, the fold of its chain. It can be rebuilt from the log at any time.
CREATE TABLE requests (
    rid          text     COLLATE "C" PRIMARY KEY,
    epoch        bigint   NOT NULL,  -- of its chain
    part         smallint NOT NULL,
    space        text     NOT NULL,
    user_id      text     NOT NULL,
    status       text     NOT NULL,
    attempt      bigint   NOT NULL,
    accepted_seq bigint   NOT NULL,
    accepted_at  bigint   NOT NULL,  -- nanoseconds since 1970
    completed_at bigint,             -- null while it is open
    last_seq     bigint   NOT NULL,  -- the last event folded
    state        bytea    NOT NULL   -- the whole state as JSON, with references in place of payloads
) WITH (fillfactor = 70);

-- Open requests of a partition, page by page.
CREATE INDEX requests_open ON requests (part, rid) WHERE completed_at IS NULL;

-- For trimming: the oldest request that must stay in the stream, and closed ones by the instant of their outcome.
CREATE INDEX requests_accepted ON requests (part, accepted_seq);
CREATE INDEX requests_completed ON requests (part, completed_at) WHERE completed_at IS NOT NULL;

-- How far each partition of the stream is trimmed. Losing it only repeats purges.
CREATE TABLE trim_position (
    part      smallint PRIMARY KEY,
    below_seq bigint   NOT NULL,  -- everything before this sequence is purged
    swept_at  bigint   NOT NULL   -- chains closed up to this instant are purged one by one, nanoseconds since 1970
);
