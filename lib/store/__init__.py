"""All SQL. Only this package imports psycopg."""
