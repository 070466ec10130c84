"""The local stack: an embedded PostgreSQL and S3 store, and a server with Vercel's routing."""
