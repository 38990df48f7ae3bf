-- Lists of requests, the newest first: all, of a space, of a user. None of these columns ever changes, so that an update
-- while the request is open stays as cheap as it was.
CREATE INDEX requests_newest ON requests (accepted_at, rid);
CREATE INDEX requests_of_space ON requests (space, accepted_at, rid);
CREATE INDEX requests_of_user ON requests (user_id, accepted_at, rid);
