"""The deployment that the doctor looks at."""

import uuid
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from botocore.exceptions import ClientError

from deploy.documents import document
from deploy.report import aws
from lib.domain.errors import ApiError
from lib.domain.policy import TABLE
from lib.runtime.config import Settings
from lib.s3.bucket import Bucket
from lib.s3.client import Client
from lib.s3.refusals import PartsChangedError, UploadGoneError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass
class Deployment:
    """Its settings, the bucket as the API sees it, and a client for what the API never asks."""

    settings: Settings
    http: httpx.Client  # for what the API leaves to browsers

    @cached_property
    def s3(self) -> Bucket:
        """The bucket, as the API uses it."""
        return Bucket(self.settings)

    @cached_property
    def client(self) -> "S3Client":
        """Botocore's client, as the API's own; raises `ApiError` if there are no credentials."""
        self.s3.credentials()
        return self.asking.s3()

    @cached_property
    def asking(self) -> Client:
        """Makes calls that the API never makes, and translates errors as the API does."""
        return Client(self.settings)

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.settings.moc_bucket

    @property
    def prefix(self) -> str:
        """What all keys of this deployment begin with."""
        return f"{self.settings.stage}/{TABLE.prefix}/"

    def new_key(self) -> str:
        """A key that nothing else has."""
        return f"{self.prefix}doctor/{uuid.uuid4()}"

    @property
    def is_local(self) -> bool:
        """Whether the store is on this very machine."""
        return urlsplit(self.settings.s3_endpoint_url or "").hostname in ("localhost", "127.0.0.1", "::1")

    def document(self, name: str) -> dict[str, Any]:
        """A document of `deploy/` for this deployment."""
        names = ("MOC_BUCKET", "STAGE", "ALLOWED_ORIGINS", "S3_REGION")
        return document(name, {key: str(getattr(self.settings, key.lower())) for key in names})

    def aws(self, call: str, put: tuple[str, object] | None = None) -> str:
        """A command that fixes the bucket."""
        return aws(f"{call} --bucket {self.bucket}", self.settings.s3_endpoint_url, document=put)

    def iam_policy(self) -> str:
        """What to say when an action is not allowed."""
        return "Give the deployment's role or user deploy/iam-policy.json:\n" + (
            f"  MOC_BUCKET={self.bucket} S3_REGION={self.settings.s3_region} STAGE={self.settings.stage} "
            "python -m deploy.documents iam-policy"
        )


NOT_SUPPORTED = ("NotImplemented", "MethodNotAllowed", "501", "405", "UnsupportedOperation")


def code_of(error: BaseException | None) -> str:
    """The code of an error of S3's, or what kind of error it is."""
    if isinstance(error, ApiError):
        cause = error.__cause__
        return str(error.logged.get("s3_code") or (code_of(cause) if cause else error.reason.name))
    if isinstance(error, UploadGoneError):
        return "NoSuchUpload"
    if isinstance(error, PartsChangedError):
        return str(error)
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code"))
    return type(error).__name__


def is_supported(error: ClientError) -> bool:
    """Whether the store knows the call at all."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return code_of(error) not in NOT_SUPPORTED and status not in (501, 405)
