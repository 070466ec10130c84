-- Which registration a file's present upload comes from. The object that the upload becomes bears it too, so
-- that an earlier object under the same key is not taken for it.

ALTER TABLE upload_session_files ADD COLUMN attempt UUID;  -- null: a row of another program, or an older one
