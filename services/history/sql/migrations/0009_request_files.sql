-- A read table as well: which files the events of which requests refer to. An erased request's rows stay.
CREATE TABLE request_files (
    rid  text COLLATE "C" NOT NULL,
    file text COLLATE "C" NOT NULL,
    PRIMARY KEY (rid, file)
);
CREATE INDEX request_files_file ON request_files (file);

-- As with `requests`: nothing may be concluded from a row that is missing because somebody took it away.
CREATE TRIGGER request_files_deleted AFTER DELETE OR TRUNCATE ON request_files
    FOR EACH STATEMENT EXECUTE FUNCTION read_table_is_not_whole();
