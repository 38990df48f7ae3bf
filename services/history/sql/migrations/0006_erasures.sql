-- Erased requests whose events and output may still be in the streams.
CREATE TABLE erasures (
    rid text   COLLATE "C" PRIMARY KEY,
    seq bigint NOT NULL,  -- of the event `erased`: what is before it in the request's chain goes
    at  bigint NOT NULL   -- the instant of that event, nanoseconds since 1970
);

-- Who else refers to a payload that is to be erased. The input of an `assigned` is that of its `accepted`.
CREATE INDEX event_log_payload ON event_log USING hash (payload_sha) WHERE type <> 'assigned';
