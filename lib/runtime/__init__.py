"""Settings, logs, threads, and what belongs to one request: its id, its budget, its OIDC token."""
