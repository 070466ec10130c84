"""Settings, logs, threads, and what belongs to one request: its id, time budget and OIDC token."""
