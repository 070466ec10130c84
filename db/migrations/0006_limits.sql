-- What a session has cost: these two only grow, so that registering and aborting again and again has an end.

ALTER TABLE upload_sessions
  ADD COLUMN started_uploads BIGINT NOT NULL DEFAULT 0,  -- S3 uploads that registrations set out to start
  ADD COLUMN declared_bytes BIGINT NOT NULL DEFAULT 0;   -- the sizes of their files
