"""Multipart uploads that the store has open."""


def uploads_of(s3, session, prefix="", bucket="uploads"):
    """The ids of a session's open uploads, among those whose keys start with a prefix."""
    listed = s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix, MaxUploads=1000)
    assert not listed["IsTruncated"]
    return [upload["UploadId"] for upload in listed.get("Uploads", []) if session in upload["Key"]]
