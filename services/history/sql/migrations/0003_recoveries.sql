-- Recoveries: when NATS has lost its data, the log begins a new epoch of the streams concerned.
CREATE TABLE recoveries (
    epoch        bigint      PRIMARY KEY,  -- the one that it begins
    begun_at     timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz               -- null: it has to be run again, to its end
);

-- How far ended epochs are recorded: what log_position said when the next one was begun.
CREATE TABLE former_positions (
    stream    text   NOT NULL,
    epoch     bigint NOT NULL,
    first_seq bigint NOT NULL,
    seq       bigint NOT NULL,
    PRIMARY KEY (stream, epoch)
);

-- What a replaced stream still held that the log does not have: kept for the recovery, and for who wants to know later.
CREATE TABLE leftovers (
    stream  text   NOT NULL,
    epoch   bigint NOT NULL,  -- of the stream that held it
    seq     bigint NOT NULL,
    at      bigint NOT NULL,  -- nanoseconds since 1970
    subject text   NOT NULL,
    data    bytea  NOT NULL,
    begun   bigint NOT NULL,  -- the epoch whose recovery found it
    PRIMARY KEY (begun, stream, epoch, seq)
);
