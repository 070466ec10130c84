"""All SQL, and the connection pool it runs on."""
