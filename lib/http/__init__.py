"""The HTTP edge: routes, requests, responses, callers; knows neither PostgreSQL nor S3."""
