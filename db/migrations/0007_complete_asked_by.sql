-- Which call left the mark of `complete_unanswered_at`, so that one that repeats its write knows its own.

ALTER TABLE upload_session_files ADD COLUMN complete_asked_by UUID;  -- null: several did, or an older version
