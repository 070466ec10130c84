"""All calls to S3, presigned URLs, and keyless credentials."""
