-- Sessions, their files, and the parts of each file that were uploaded.
--
-- Times are timestamptz, the one deviation from the story's DDL: a timestamp without a zone means another
-- moment in every session's time zone. Every column beyond the story's has a default or is nullable.

CREATE TABLE upload_sessions (
  id UUID NOT NULL DEFAULT gen_random_uuid(),
  user_id TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'active',
  part_size_bytes BIGINT NOT NULL DEFAULT 5242880,
  metadata JSONB NOT NULL DEFAULT '{}',
  expires_at TIMESTAMPTZ NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  CONSTRAINT upload_sessions_pkey PRIMARY KEY (id),
  CONSTRAINT upload_sessions_status_check CHECK (status IN ('active', 'cancelled')),
  -- S3's limits on a part: 5 MiB to 5 GiB
  CONSTRAINT upload_sessions_part_size_bytes_check CHECK (part_size_bytes BETWEEN 5242880 AND 5368709120),
  CONSTRAINT upload_sessions_metadata_check CHECK (jsonb_typeof(metadata) = 'object')
);

-- The rate limit asks for a user's newest sessions.
CREATE INDEX idx_upload_sessions_user_id_created_at ON upload_sessions (user_id, created_at DESC);

CREATE TABLE upload_session_files (
  id UUID NOT NULL DEFAULT gen_random_uuid(),
  session_id UUID NOT NULL,
  file_key TEXT NOT NULL,
  file_size_bytes BIGINT NOT NULL,
  status TEXT NOT NULL DEFAULT 'pending',
  upload_id TEXT,                                    -- null: reserved, S3 has not been asked or has not answered
  created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  registered BIGINT GENERATED ALWAYS AS IDENTITY,    -- the order of registration
  name TEXT,                                         -- null: the file_key
  category TEXT,                                     -- null: from the file_key's extension
  mime_type TEXT,                                    -- null: likewise
  ext TEXT,
  part_size_bytes BIGINT,                            -- null: the session's
  object_key TEXT,                                   -- null: from the ids and the category
  etag TEXT,                                         -- of the assembled object
  CONSTRAINT upload_session_files_pkey PRIMARY KEY (id),
  CONSTRAINT upload_session_files_session_id_fkey
    FOREIGN KEY (session_id) REFERENCES upload_sessions (id) ON DELETE CASCADE,
  CONSTRAINT upload_session_files_session_id_file_key_key UNIQUE (session_id, file_key),
  CONSTRAINT upload_session_files_status_check CHECK (status IN ('pending', 'completed', 'failed')),
  CONSTRAINT upload_session_files_file_size_bytes_check CHECK (file_size_bytes > 0),
  CONSTRAINT upload_session_files_part_size_bytes_check CHECK (part_size_bytes > 0),
  CONSTRAINT upload_session_files_category_check
    CHECK (category IN ('instruction', 'parts-list', 'image', 'thumbnail'))
);

CREATE TABLE upload_session_parts (
  id UUID NOT NULL DEFAULT gen_random_uuid(),
  session_id UUID NOT NULL,
  file_id UUID NOT NULL,
  part_number INT NOT NULL,
  etag VARCHAR(255) NOT NULL,
  uploaded_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  CONSTRAINT upload_session_parts_pkey PRIMARY KEY (id),
  CONSTRAINT upload_session_parts_session_id_fkey
    FOREIGN KEY (session_id) REFERENCES upload_sessions (id) ON DELETE CASCADE,
  CONSTRAINT upload_session_parts_file_id_fkey
    FOREIGN KEY (file_id) REFERENCES upload_session_files (id) ON DELETE CASCADE,
  CONSTRAINT upload_session_parts_file_id_part_number_key UNIQUE (file_id, part_number),
  CONSTRAINT upload_session_parts_part_number_check CHECK (part_number BETWEEN 1 AND 10000)
);

CREATE INDEX idx_upload_session_parts_file_id ON upload_session_parts (file_id);
CREATE INDEX idx_upload_session_parts_session_id ON upload_session_parts (session_id);
