-- Who has access: the tables' owner, and roles that are given a grant and a policy (docs/deploy.md).
--
-- Hosted databases grant new tables to public roles: on Supabase, whoever has the public key is `anon`. Row
-- level security holds for a grant that comes later, too. The owner is not subject to it.

ALTER TABLE upload_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE upload_session_files ENABLE ROW LEVEL SECURITY;
ALTER TABLE upload_session_parts ENABLE ROW LEVEL SECURITY;
ALTER TABLE IF EXISTS upload_session_migrations ENABLE ROW LEVEL SECURITY;

DO $$
DECLARE
  our_table TEXT;
  public_role TEXT;
BEGIN
  FOR our_table IN
    -- The sequence is that of a column, and granted by default as tables are.
    SELECT oid::regclass FROM pg_class WHERE oid IN (
      'upload_sessions'::regclass, 'upload_session_files'::regclass, 'upload_session_parts'::regclass,
      to_regclass('upload_session_migrations'),
      pg_get_serial_sequence('upload_session_files', 'registered')::regclass
    )
  LOOP
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', our_table);
    FOR public_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
      EXECUTE format('REVOKE ALL ON %s FROM %I', our_table, public_role);
    END LOOP;
  END LOOP;
END
$$;
