"""The settings, read from the environment and checked once."""

import re
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from lib.runtime.endpoints import aws_problem, check_endpoint, check_region, endpoint_problem, role_problem
from lib.runtime.origins import check_origins, origins_of
from lib.runtime.pasted import other_database_variables, problems_of
from lib.runtime.urls import check_base_url, check_url

MIB = 1024 * 1024

# A variable that is set but empty (`FOO= make run`, a blank field in a dashboard) counts as not set.
Optional = Annotated[str | None, BeforeValidator(lambda value: value or None)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(lambda value: value or None)]


def _check_one_line(key: str | None) -> str | None:
    """HTTP's own error about a header with a line break quotes all of it, into the log."""
    if key and re.search(r"[\x00-\x1f\x7f]", key):
        raise ValueError("must be one line, without a line break or a control character")
    return key


def _check_digits(value: object) -> object:
    """Python's numbers may have other digits and underscores in them, which a typing mistake has, too."""
    if isinstance(value, str) and not re.fullmatch("-?[0-9]+", value):
        raise ValueError("must be a number: digits 0 to 9, and nothing else")
    return value


Number = Annotated[int, BeforeValidator(_check_digits)]
Key = Annotated[Optional, BeforeValidator(_check_one_line)]
KeySecret = Annotated[OptionalSecret, BeforeValidator(_check_one_line)]
Url = Annotated[Optional, AfterValidator(check_url)]
BaseUrl = Annotated[Optional, AfterValidator(check_base_url)]
Region = Annotated[str, AfterValidator(check_region)]
Endpoint = Annotated[Optional, AfterValidator(check_endpoint)]


class SettingsError(Exception):
    """Settings are missing or invalid. Each problem names a variable and what it may be, never a value."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Keys(NamedTuple):
    """A pair of keys, and the token that belongs to it if the pair is temporary."""

    access_key_id: str
    secret_access_key: SecretStr
    session_token: SecretStr | None


class Settings(BaseModel):
    """One field for each variable of the environment: the variable's name, in lower case."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    database_url: SecretStr = Field(min_length=1)
    database_pool_size: Number = Field(default=10, ge=1, le=100)  # connections of one instance, at most
    database_ssl_root_cert: Optional = None  # PEM text

    aws_access_key_id: Key = None
    aws_secret_access_key: KeySecret = None
    aws_session_token: KeySecret = None
    # In their place, as a whole: `vercel dev` refuses AWS's names, and Vercel may set some of them itself.
    s3_access_key_id: Key = None
    s3_secret_access_key: KeySecret = None
    s3_session_token: KeySecret = None
    # In place of keys: the role that Vercel's OIDC token is exchanged for.
    aws_role_arn: Optional = Field(default=None, pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/\S+$")
    aws_endpoint_url_sts: Url = None
    vercel_oidc_token: KeySecret = None  # on this machine; on Vercel each request brings one
    s3_region: Region = "us-east-1"
    s3_endpoint_url: Endpoint = None  # of a store that is not AWS's; AWS_ENDPOINT_URL_S3 does as well
    s3_public_endpoint_url: Endpoint = None  # where clients reach the store, if that is another address
    s3_addressing_style: Literal["auto", "path", "virtual"] = "auto"
    s3_sse: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = None  # empty: as the bucket does by default
    s3_sse_kms_key_id: Optional = Field(default=None, pattern=r"^\S+$")
    aws_use_dualstack_endpoint: bool = False
    aws_use_fips_endpoint: bool = False
    moc_bucket: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$")
    public_base_url: BaseUrl = None
    stage: str = Field(default="dev", pattern=r"^[A-Za-z0-9_-]{1,32}$")

    presigned_url_ttl_minutes: Number = Field(default=15, ge=1, le=7 * 24 * 60)  # S3's own limit is 7 days
    max_batch_size: Number = Field(default=10, ge=1, le=1000)
    max_presigned_urls: Number = Field(default=1000, ge=1, le=10_000)
    max_files_per_session: Number = Field(default=50, ge=1, le=10_000)
    multipart_part_size_mb: Number = Field(default=5, ge=5, le=100)
    session_ttl_minutes: Number = Field(default=1440, ge=1, le=365 * 24 * 60)
    max_sessions_per_day: Number = Field(default=100, ge=1, le=1_000_000)
    max_upload_gb_per_day: Number | None = Field(default=None, ge=1, le=1_000_000)  # GiB a user declares
    # MiB by the name of the variable, MAX_…_MB; which of them there are is said by the table of categories
    max_category_mb: dict[str, Annotated[Number, Field(ge=1, le=48 * MIB)]] = {}

    auth_jwks_url: Url = None
    auth_issuer: Optional = None
    auth_audience: Optional = None
    auth_jwt_secret: OptionalSecret = None
    auth_bypass: bool = False
    dev_user_sub: str = Field(
        default="dev-user-00000000-0000-0000-0000-000000000001", min_length=1, max_length=255
    )
    rate_limit_bypass: bool = False

    allowed_origins: Annotated[str, AfterValidator(check_origins)] = ""
    log_level: str = Field(default="INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR|CRITICAL)$")
    vercel: str = ""
    vercel_env: str = ""
    vercel_target_env: str = ""  # the name of a custom environment
    vercel_project_id: Optional = None
    vercel_url: Optional = None  # the host of this very deployment
    vercel_project_production_url: Optional = None  # the host of the project's production

    @classmethod
    def from_env(cls, env: Mapping[str, str], sizes: Collection[str] = ()) -> Self:
        """Read the settings from an environment; `sizes` are the variables that limit the categories' files.

        Raises `SettingsError`, which names every variable that is missing or invalid.
        """
        sign = _sign_of_a_deployment(env)
        # Stripped: what was pasted into a dashboard may end with a line break.
        env = {name: value.strip() for name, value in env.items() if value.strip()}
        # Vercel sets AWS_REGION to the function's own region, so the bucket's own variable comes first.
        env = {"S3_REGION": env.get("AWS_REGION", "us-east-1")} | _endpoint_for_aws_tools(env) | env
        if ".amazonaws.com" in env.get("S3_ENDPOINT_URL", ".amazonaws.com"):  # others may have a RegionOne
            env["S3_REGION"] = env["S3_REGION"].lower()
        if sign or env.get("VERCEL"):
            env = _without_the_platforms_token(env)
        try:
            named = {name: env[name.upper()] for name in cls.model_fields if name.upper() in env}
            limits = {name: env[name] for name in sizes if name in env}
            if bad := problems_of({name.upper(): value for name, value in (named | limits).items()}, env):
                raise SettingsError(*bad)
            return cls.model_validate(named | {"max_category_mb": limits}, context=sign)
        except ValidationError as error:
            problems = [_problem(item["loc"], item["msg"]) for item in error.errors()]
            if "database_url" not in named:
                problems[0] += other_database_variables(env)
            raise SettingsError(*problems) from None

    @model_validator(mode="after")
    def _deployments_are_strict(self, info: ValidationInfo) -> Self:
        if info.context:
            for name in ("auth_bypass", "rate_limit_bypass"):
                if getattr(self, name):
                    raise ValueError(
                        f"{name.upper()}: is refused if {info.context} is set, "
                        "unless VERCEL_ENV is 'development': remove it there"
                    )
            if self.auth_jwks_url and not self.auth_jwks_url.lower().startswith("https:"):
                raise ValueError("AUTH_JWKS_URL: must be https on a deployment")
        return self

    @model_validator(mode="after")
    def _one_way_to_authenticate(self) -> Self:
        ways = [way for way in (self.auth_jwks_url, self.auth_jwt_secret) if way]
        if not self.auth_bypass and len(ways) != 1:
            raise ValueError("AUTH_JWKS_URL, AUTH_JWT_SECRET: exactly one of the two must be set")
        if self.auth_jwks_url and not self.auth_issuer:
            raise ValueError("AUTH_ISSUER: must be set with AUTH_JWKS_URL (the token's 'iss')")
        if self.auth_jwt_secret and len(self.auth_jwt_secret.get_secret_value().encode()) < 32:
            # RFC 7518, 3.2: a key of at least the hash's size must be used with HS256
            raise ValueError("AUTH_JWT_SECRET: must have at least 32 bytes")
        if self.auth_jwt_secret and "-----BEGIN " in self.auth_jwt_secret.get_secret_value():
            # Which libraries refuse for HS256: a public key is no secret, and all tokens would be 401.
            raise ValueError(
                "AUTH_JWT_SECRET: must be a shared secret and no PEM; for keys set AUTH_JWKS_URL"
            )
        return self

    @model_validator(mode="after")
    def _endpoints_fit(self) -> Self:
        on_aws = self.s3_endpoint_url is None
        problem = aws_problem(self.s3_region, self.moc_bucket) if on_aws else None
        if on_aws and self.aws_role_arn and not self.aws_endpoint_url_sts:
            problem = problem or role_problem(self.aws_role_arn, self.s3_region)
        if problem:
            raise ValueError(problem)
        for name in ("s3_endpoint_url", "s3_public_endpoint_url"):
            endpoint = getattr(self, name)
            problem = endpoint and endpoint_problem(
                endpoint, self.moc_bucket, self.s3_addressing_style, self.s3_region
            )
            if problem:
                raise ValueError(f"{name.upper()}: {problem}")
        if self.s3_endpoint_url and (self.aws_use_dualstack_endpoint or self.aws_use_fips_endpoint):
            raise ValueError(
                "AWS_USE_DUALSTACK_ENDPOINT, AWS_USE_FIPS_ENDPOINT: do not go with an endpoint that "
                "S3_ENDPOINT_URL (or AWS_ENDPOINT_URL_S3) names"
            )
        return self

    @model_validator(mode="after")
    def _a_key_has_its_encryption(self) -> Self:
        if self.s3_sse_kms_key_id and self.s3_sse not in ("aws:kms", "aws:kms:dsse"):
            raise ValueError("S3_SSE_KMS_KEY_ID: needs S3_SSE to be aws:kms or aws:kms:dsse")
        return self

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> Self:
        own = [self.s3_access_key_id, self.s3_secret_access_key]
        if any([*own, self.s3_session_token]) and not all(own):
            raise ValueError(
                "S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY: both must be set, or neither, nor S3_SESSION_TOKEN"
            )
        alone = (self.aws_access_key_id is None) != (self.aws_secret_access_key is None)
        if alone and not (all(own) or self.aws_role_arn):  # beside which they are not used
            raise ValueError("AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: both must be set, or neither")
        return self

    @property
    def own_url(self) -> str | None:
        """Where this deployment is on Vercel (production: at the project's domain); None elsewhere."""
        production = self.vercel_env == "production"
        host = self.vercel_project_production_url if production else self.vercel_url
        return f"https://{host}" if host else None

    @property
    def keys(self) -> Keys | None:
        """The keys that sign if there is no role, always one whole set."""
        if self.s3_access_key_id and self.s3_secret_access_key:
            return Keys(self.s3_access_key_id, self.s3_secret_access_key, self.s3_session_token)
        if not (self.aws_access_key_id and self.aws_secret_access_key):
            return None
        return Keys(self.aws_access_key_id, self.aws_secret_access_key, self.aws_session_token)

    @property
    def part_size_bytes(self) -> int:
        """The size of a new session's parts."""
        return self.multipart_part_size_mb * MIB

    @property
    def max_upload_bytes_per_day(self) -> int | None:
        """How many bytes a user may declare in 24 hours; None: any number."""
        limit = self.max_upload_gb_per_day
        return None if limit is None else limit * 1024 * MIB

    @cached_property  # each request asks
    def origins(self) -> frozenset[str]:
        """The web origins that CORS lets in, as browsers send them; `*` is any."""
        return origins_of(self.allowed_origins)


def _endpoint_for_aws_tools(env: Mapping[str, str]) -> dict[str, str]:
    """The store's endpoint as AWS's own tools are told of it, botocore too.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    """
    if env.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return {}
    endpoint = env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL")
    return {"S3_ENDPOINT_URL": endpoint} if endpoint else {}


def _without_the_platforms_token(env: Mapping[str, str]) -> dict[str, str]:
    """A deployment's token may be the platform's own. Those of AWS's keys that have one begin with ASIA.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    """
    has_one = env.get("AWS_ACCESS_KEY_ID", "").startswith("ASIA")
    return {name: value for name, value in env.items() if has_one or name != "AWS_SESSION_TOKEN"}


def _problem(location: tuple[int | str, ...], message: str) -> str:
    """One sentence about one variable; a model-wide check names its variables itself."""
    message = message.removeprefix("Value error, ")
    return f"{str(location[-1]).upper()}: {message}" if location else message


def _sign_of_a_deployment(env: Mapping[str, str]) -> str | None:
    """The variable that tells of Vercel or AWS Lambda; None on a developer's machine.

    Fails closed: Vercel can be told not to set VERCEL_ENV, and an empty variable is one, too.
    """
    if env.get("VERCEL_ENV") == "development":  # `vercel dev`
        return None
    signs = (name for name in env if name.startswith("VERCEL") or name == "AWS_LAMBDA_FUNCTION_NAME")
    return min(signs, default=None)
