"""Multipart uploads that the store has open, and what others do to them behind the API's back."""


def uploads_of(s3, session, prefix="", bucket="uploads"):
    """The ids of a session's open uploads, among those whose keys start with a prefix."""
    listed = s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix, MaxUploads=1000)
    assert not listed["IsTruncated"]
    return [upload["UploadId"] for upload in listed.get("Uploads", []) if session in upload["Key"]]


def key_of(s3, file):
    """The key of a registered file's object."""
    uploads = s3.list_multipart_uploads(Bucket="uploads", MaxUploads=1000)["Uploads"]
    [key] = [upload["Key"] for upload in uploads if upload["UploadId"] == file["uploadId"]]
    return key


def abort(s3, file):
    """Abort a registered file's upload, and answer the key that its object would have had."""
    key = key_of(s3, file)
    s3.abort_multipart_upload(Bucket="uploads", Key=key, UploadId=file["uploadId"])
    return key


def assemble(s3, file, parts):
    """Complete a registered file's upload of these parts, and answer the object's key."""
    key = key_of(s3, file)
    listed = {"Parts": [{"PartNumber": part["partNumber"], "ETag": part["etag"]} for part in parts]}
    s3.complete_multipart_upload(Bucket="uploads", Key=key, UploadId=file["uploadId"], MultipartUpload=listed)
    return key
