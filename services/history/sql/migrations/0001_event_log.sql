-- The event log: every event of the recorded streams, and how far each stream is recorded.

-- How far the log reaches into a stream. Advanced only by the transaction that records the events, so it is never wrong.
CREATE TABLE log_position (
    stream    text   PRIMARY KEY,
    epoch     bigint NOT NULL,
    first_seq bigint NOT NULL,  -- where the log of this epoch begins
    seq       bigint NOT NULL,  -- the last sequence recorded
    CHECK (seq >= first_seq - 1)
);

-- Large values of events, by their SHA-256. They have a table of their own so that erasing one leaves its chain whole.
CREATE TABLE payloads (
    sha256 bytea PRIMARY KEY,
    data   bytea NOT NULL
);

-- One row per event. `data` is the event's JSON as it stood in the stream, except that a payload is replaced by the string
-- "sha256:<hex>"; payload_sha then names it. Bytes, not json: what was stored is kept, whatever it is.
CREATE TABLE event_log (
    stream      text   NOT NULL,
    epoch       bigint NOT NULL,
    seq         bigint NOT NULL,
    at          bigint NOT NULL,  -- the stream's timestamp, nanoseconds since 1970
    subject     text   NOT NULL,
    rid         text   COLLATE "C",  -- the request that the event concerns, if any
    type        text   NOT NULL,
    prev_seq    bigint NOT NULL,  -- the event before it in its chain; 0: the first, or no chain
    payload_sha bytea,
    data        bytea  NOT NULL,
    PRIMARY KEY (stream, epoch, seq)
);

-- A chain never forks ...
CREATE UNIQUE INDEX event_log_chain ON event_log (rid, epoch, prev_seq) WHERE stream = 'REQUESTS';

-- ... and has one outcome.
CREATE UNIQUE INDEX event_log_outcome ON event_log (rid)
    WHERE stream = 'REQUESTS' AND type IN ('succeeded', 'failed', 'canceled', 'expired');

-- Refused frames, by request.
CREATE INDEX event_log_refused ON event_log (rid, seq) WHERE stream = 'CONNECTIONS' AND rid IS NOT NULL;

-- Events that cannot be part of the log: undecodable, or contradicting it. Each is an alarm; none blocks the recorder.
CREATE TABLE event_conflicts (
    stream      text        NOT NULL,
    epoch       bigint      NOT NULL,
    seq         bigint      NOT NULL,
    at          bigint      NOT NULL,
    subject     text        NOT NULL,
    data        bytea       NOT NULL,
    reason      text        NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, epoch, seq)
);

-- The log for people: readable instants and JSON.
CREATE VIEW events AS
    SELECT stream, epoch, seq, to_timestamp(at / 1e9) AS at, type, rid, subject, convert_from(data, 'UTF8') AS data
    FROM event_log;
