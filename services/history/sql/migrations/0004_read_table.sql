-- Whether `requests` has the row of each request that the log has. Whoever takes rows away by hand has to rebuild it: until
-- then nothing may be concluded from a row that is missing.
CREATE TABLE read_table (
    whole boolean NOT NULL
);
INSERT INTO read_table VALUES (true);

CREATE FUNCTION read_table_is_not_whole() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE read_table SET whole = false;
    RETURN NULL;
END
$$;

CREATE TRIGGER requests_deleted AFTER DELETE OR TRUNCATE ON requests
    FOR EACH STATEMENT EXECUTE FUNCTION read_table_is_not_whole();
