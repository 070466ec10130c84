-- When S3's answer to a complete of the file's present upload was lost: S3 may still be assembling it, so that
-- for a while it may show neither the upload nor the object.

ALTER TABLE upload_session_files ADD COLUMN complete_unanswered_at TIMESTAMPTZ;  -- null: no answer was lost
