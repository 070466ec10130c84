-- Which categories there are is said by the table in lib/domain/policy.py alone. Rows of one that is no more stay.

ALTER TABLE upload_session_files DROP CONSTRAINT IF EXISTS upload_session_files_category_check;
