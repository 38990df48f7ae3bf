-- Whose data may have to go: requests that have ended and are not erased. A recorder that does not know these columns leaves
-- them as they are.
ALTER TABLE requests
    ADD COLUMN erased   boolean NOT NULL DEFAULT false,
    ADD COLUMN erase_at bigint;  -- the instant that the request itself names, nanoseconds since 1970; null: it does not

UPDATE requests SET erased = true
FROM event_log
WHERE event_log.stream = 'REQUESTS' AND event_log.type = 'erased' AND event_log.rid = requests.rid;

CREATE INDEX requests_with_data ON requests (space, completed_at) WHERE completed_at IS NOT NULL AND NOT erased;
CREATE INDEX requests_to_erase ON requests (erase_at) WHERE erase_at IS NOT NULL;
