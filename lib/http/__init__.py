"""The HTTP edge: routes, requests, responses, CORS and who calls."""
