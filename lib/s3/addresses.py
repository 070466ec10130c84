"""Where the bucket is, for this API and for its clients: as botocore resolves it, and nowhere else."""

from typing import TYPE_CHECKING, Any, cast

from lib.runtime.config import Settings
from lib.runtime.endpoints import is_accelerated
from lib.s3.whole_answers import read_whole_answers

if TYPE_CHECKING:
    from botocore.session import Session
    from types_boto3_s3 import S3Client

CONNECT_SECONDS = 3
READ_SECONDS = 20  # between two bytes of an answer


def make_client(session: "Session", settings: Settings, endpoint_url: str | None) -> "S3Client":
    """A client of botocore's that asks, and presigns for, this endpoint; None: AWS's own in `S3_REGION`."""
    from botocore.config import Config

    client = session.create_client(
        "s3",
        region_name=settings.s3_region,
        endpoint_url=endpoint_url,
        config=Config(
            signature_version="s3v4",
            s3={  # type: ignore[arg-type]
                "addressing_style": addressing_style(settings.s3_addressing_style, endpoint_url),
                "us_east_1_regional_endpoint": "regional",
            },
            # An endpoint that is named is what it is; botocore would look in the environment.
            use_dualstack_endpoint=settings.aws_use_dualstack_endpoint and endpoint_url is None,
            use_fips_endpoint=settings.aws_use_fips_endpoint and endpoint_url is None,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=50,
            # Else botocore asks for CRC32 on every upload, and clients had to send one with every part.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    read_whole_answers(client)
    client.meta.events.register_last("before-parameter-build.s3", _stay_in_the_region)
    client.meta.events.register_first("choose-signer.s3.GetObject", _unsigned)
    client.meta.events.register_first("before-parse.s3.CompleteMultipartUpload", _without_padding)
    return cast("S3Client", client)


def addressing_style(wanted: str, endpoint_url: str | None) -> str:
    """Botocore's `addressing_style` for `S3_ADDRESSING_STYLE`.

    `auto` is by host on AWS, where botocore's own `auto` would presign for the global endpoint, which outside
    us-east-1 redirects or refuses; and by path elsewhere, which most stores speak. Botocore addresses by path
    a bucket with a dot in its name all the same: no certificate covers it.
    """
    if wanted != "auto":
        return wanted
    return "virtual" if endpoint_url is None or is_accelerated(endpoint_url) else "path"


def bucket_url_of(client: "S3Client", bucket: str) -> str:
    """Where a client finds a bucket: as a host of its own or as a path, without a slash at the end."""
    url: str = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    return url.removesuffix("/k")


def _unsigned(**_: Any) -> Any:
    """Leave GetObject unsigned: it only tells where the bucket is, for which no credentials are needed."""
    from botocore import UNSIGNED

    return UNSIGNED


def _without_padding(response_dict: dict[str, Any], **_: Any) -> None:
    """Let botocore read an answer that begins with spaces, before which XML has no declaration.

    MinIO has sent some while it assembles an object: https://github.com/minio/minio/issues/8030
    """
    response_dict["body"] = response_dict["body"].lstrip()


def _stay_in_the_region(context: dict[str, Any], **_: Any) -> None:
    """Let botocore follow no bucket into another region: presigned URLs could not, and health would be ok.

    Botocore's `S3RegionRedirectorv2` goes once at most; here it is told that it has gone.
    """
    context["s3_redirect"]["redirected"] = True
