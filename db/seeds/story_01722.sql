-- The story's test data. What became of it since it was loaded last goes first, so that the rows are what they
-- were and the session's 30 minutes start anew; the INSERTs are the story's own.

DELETE FROM upload_sessions WHERE id = 'eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee';  -- and, by cascade, what belongs to it

-- Session for batch testing
INSERT INTO upload_sessions (id, user_id, status, part_size_bytes, metadata, expires_at, created_at, updated_at)
VALUES (
  'eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee',
  'dev-user-00000000-0000-0000-0000-000000000001',
  'active',
  5242880,
  '{"maxFiles": 5}',
  NOW() + INTERVAL '30 minutes',
  NOW(),
  NOW()
);

-- File with partial upload for resume testing
INSERT INTO upload_session_files (id, session_id, file_key, file_size_bytes, status, upload_id, created_at, updated_at)
VALUES (
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  'eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee',
  'resume-test.pdf',
  10485760, -- 10MB = 2 parts
  'pending',
  's3-upload-id-12345',
  NOW(),
  NOW()
);

-- Parts already uploaded (1 of 2)
INSERT INTO upload_session_parts (id, session_id, file_id, part_number, etag, uploaded_at)
VALUES (
  '11111111-1111-1111-1111-111111111111',
  'eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  1,
  'etag-part-1',
  NOW()
);
