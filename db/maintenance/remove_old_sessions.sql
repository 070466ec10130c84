-- Removes sessions that ended long ago, in small pieces. Run it again and again until it returns no row.
--
-- Safe beside running uploads: a session that any call is using is skipped, and one that is not over yet, or that the
-- rate limit still counts (24 hours), is never chosen. Objects in the bucket stay. Uploads that nobody completed or
-- aborted are the business of the bucket's lifecycle rule (AbortIncompleteMultipartUpload).
--
-- Sessions that hold a completed file stay, so that `GET` and `complete` go on answering for it. To remove those too,
-- leave out the part from AND NOT EXISTS on: the files' objects then have no row any more.

WITH old AS (
  SELECT id FROM upload_sessions s
  WHERE expires_at < NOW() - INTERVAL '7 days'
    AND created_at < NOW() - INTERVAL '2 days'
    AND NOT EXISTS (SELECT 1 FROM upload_session_files f WHERE f.session_id = s.id AND f.status = 'completed')
  ORDER BY expires_at
  LIMIT 500
  FOR UPDATE SKIP LOCKED
)
DELETE FROM upload_sessions USING old WHERE upload_sessions.id = old.id
RETURNING upload_sessions.id;
