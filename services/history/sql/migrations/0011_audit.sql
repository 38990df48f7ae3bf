-- The directory's events, the newest first, and those of one entry. Events of requests are in neither index. A recovery appends
-- the directory again: what the log has had in an epoch before only repeats. A recorder that does not know this column leaves
-- it as it is.
ALTER TABLE event_log ADD COLUMN repeats boolean NOT NULL DEFAULT false;

CREATE INDEX event_log_directory_entry ON event_log (subject, epoch) WHERE stream = 'DIRECTORY';

UPDATE event_log AS log SET repeats = true
WHERE stream = 'DIRECTORY' AND epoch > 1 AND EXISTS (
    SELECT FROM event_log AS former
    WHERE former.stream = 'DIRECTORY' AND former.subject = log.subject AND former.epoch < log.epoch
        AND position(decode(substring(encode(log.data, 'escape') FROM '"id":"[^"]*"'), 'escape') IN former.data) > 0
);

CREATE INDEX event_log_directory ON event_log (at, subject COLLATE "C") WHERE stream = 'DIRECTORY' AND NOT repeats;
