"""Everything that is said to S3: calls, presigned URLs, keyless credentials."""
