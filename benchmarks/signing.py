"""Signing URLs: the batch presigner against boto3's own, without any network."""

from datetime import UTC, datetime

from benchmarks.measure import side_by_side
from dev.seaweedfs import store_client
from lib.s3.presign import Credentials, presign_upload_parts

KEY = "dev/moc-instructions/user/session/instruction/3f0b6c1e-8a53-4c4f-9d0e-2f4f6a1b7c5d.pdf"
UPLOAD_ID = "2~VeryMuchAsLongAsTheyAreAtS3AndAsOpaqueToo"
COUNTS = (1, 10, 100, 1000, 10_000)


def ours(env, count):
    """All URLs of one upload."""
    return presign_upload_parts(
        credentials=Credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]),
        region=env["S3_REGION"],
        bucket_url=f"{env['S3_ENDPOINT_URL']}/{env['MOC_BUCKET']}",
        key=KEY,
        upload_id=UPLOAD_ID,
        parts=((number, 5_242_880) for number in range(1, count + 1)),
        signed_at=datetime.now(UTC),
        expires_in=900,
    )


def boto3s(client, env, count, key=KEY, upload_id=UPLOAD_ID):
    """The same from boto3, one after another."""
    names = {"Bucket": env["MOC_BUCKET"], "Key": key, "UploadId": upload_id}
    return [
        client.generate_presigned_url(
            "upload_part", names | {"PartNumber": number, "ContentLength": 5_242_880}, ExpiresIn=900
        )
        for number in range(1, count + 1)
    ]


def run(env):
    """Times by number of parts, for both."""
    client = store_client(env)
    boto3s(client, env, 1)
    results = {}
    for count in COUNTS:
        runs = 2 if count == 10_000 else 5
        calls = {
            "ours": lambda count=count: ours(env, count),
            "boto3": lambda count=count: boto3s(client, env, count),
        }
        results[count] = side_by_side(calls, runs)
    return results
