"""The upload-session API: everything behind the handlers in `api/`."""
