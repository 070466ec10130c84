"""All SQL, and the pool it runs on."""
