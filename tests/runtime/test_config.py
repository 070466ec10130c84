"""Settings: checked once, and what is wrong with them is said by name."""

import pytest

from db.migrate import main as migrate_main
from lib.runtime.config import Settings, SettingsError
from tests.support.fuzzy import error
from tests.support.hidden import secrets_of

GOOD = {"DATABASE_URL": "postgresql://u:secret@h/d", "MOC_BUCKET": "bucket", "AUTH_JWT_SECRET": "s" * 32}


def problem(env):
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(env)
    return str(caught.value)


def test_the_defaults_are_those_of_the_contract():
    settings = Settings.from_env(GOOD)
    assert (
        settings.stage, settings.presigned_url_ttl_minutes, settings.max_batch_size,
        settings.max_presigned_urls, settings.max_files_per_session, settings.multipart_part_size_mb,
        settings.session_ttl_minutes, settings.max_sessions_per_day, settings.s3_region,
        settings.dev_user_sub,
    ) == (
        "dev", 15, 10, 1000, 50, 5, 1440, 100, "us-east-1",
        "dev-user-00000000-0000-0000-0000-000000000001",
    )  # fmt: skip


def test_the_region_is_the_buckets_own_before_the_functions():
    assert Settings.from_env(GOOD | {"AWS_REGION": "eu-west-3"}).s3_region == "eu-west-3"
    assert Settings.from_env(GOOD | {"AWS_REGION": "x", "S3_REGION": "eu-west-1"}).s3_region == "eu-west-1"


def test_a_region_of_aws_is_written_as_aws_does_and_that_of_another_store_as_it_is():
    assert Settings.from_env(GOOD | {"S3_REGION": "US-East-1"}).s3_region == "us-east-1"
    other = {"S3_ENDPOINT_URL": "https://s3.example.com", "S3_REGION": "RegionOne"}
    assert Settings.from_env(GOOD | other).s3_region == "RegionOne"
    named = {"S3_ENDPOINT_URL": "https://s3.eu-west-1.amazonaws.com", "S3_REGION": "EU-West-1"}
    assert Settings.from_env(GOOD | named).s3_region == "eu-west-1"


@pytest.mark.parametrize("region", ["auto", "iad1", "us-east", "useast1", "us-east-1a", "Frankfurt", "eu",
                                    "fips-us-gov-west-1", "europe-west-1", "s3-external-1"])  # fmt: skip
def test_a_region_that_aws_cannot_have_needs_an_endpoint(region):
    for name in ("S3_REGION", "AWS_REGION"):
        assert "S3_REGION: must be a region of AWS" in problem(GOOD | {name: region})
        assert Settings.from_env(GOOD | {name: region, "AWS_ENDPOINT_URL_S3": "https://s3.example.com"})


@pytest.mark.parametrize(
    "name",
    ["uploads--use1-az4--x-s3", "point--ol-s3", "table--table-s3", "some--use1-az4--xa-s3", "many.mrap"],
)
def test_a_bucket_of_a_special_kind_is_refused_on_aws(name):
    """S3 Express has endpoints and signatures of its own, and no presigned URL that lasts."""
    assert "MOC_BUCKET: must be a general purpose bucket" in problem(GOOD | {"MOC_BUCKET": name})
    assert Settings.from_env(GOOD | {"MOC_BUCKET": name, "S3_ENDPOINT_URL": "https://s3.example.com"})


def test_an_access_points_alias_works_like_a_bucket():
    assert Settings.from_env(GOOD | {"MOC_BUCKET": "point-abcdef123456-s3alias"})


QUOTED = {"DATABASE_URL": "postgresql://u:hush@h/d", "MOC_BUCKET": "hush", "S3_REGION": "eu-west-1",
          "S3_ENDPOINT_URL": "https://hush.example.com", "AUTH_ISSUER": "https://hush.example.com",
          "AUTH_AUDIENCE": "hush", "STAGE": "hush", "ALLOWED_ORIGINS": "https://hush.example.com",
          "MAX_BATCH_SIZE": "10", "AWS_USE_FIPS_ENDPOINT": "true"}  # fmt: skip


@pytest.mark.parametrize("quotes", ['""', "''", "“”"])
@pytest.mark.parametrize("name", QUOTED)
def test_a_value_in_quotes_is_named_and_not_shown(name, quotes):
    """A dashboard keeps them. An audience in quotes is no token's, and a URL is none."""
    text = problem(GOOD | {name: f"{quotes[0]}{QUOTED[name]}{quotes[1]}\n"})
    assert text == f"{name}: must not be in quotes"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"])
@pytest.mark.parametrize(
    "proxy",
    ["socks5://u:hush@host:1080", "http://u:hu/sh@host:1", "http://u:hu?sh@host:1", "http://u:hush#@host",
     "http://u:hush@[::1", "http://u:hush@host:port", "http://u:hush@ho st:1", "ftp://u:hush@host",
     "u:hush@"],
)  # fmt: skip
def test_a_proxy_that_libraries_would_quote_is_named_and_not_shown(name, proxy):
    text = problem(GOOD | {name: proxy})
    assert text.startswith(f"{name}: must be as in http://user:password@host:port")
    assert "hush" not in text
    assert proxy not in text


@pytest.mark.parametrize(
    "proxy", ["http://u:p%2Fw@proxy.example.com:3128", "proxy:3128", "HTTP://10.0.0.1/", "https://[::1]:8080",
              "http://u:p@ss@host:1", ""],
)  # fmt: skip
def test_a_proxy_that_libraries_take(proxy):
    assert Settings.from_env(GOOD | {"HTTPS_PROXY": proxy})


def test_a_secret_may_have_quotes():
    """The other side may have been given it with them, too."""
    secret = '"' + "s" * 32 + '"'
    assert Settings.from_env(GOOD | {"AUTH_JWT_SECRET": secret}).auth_jwt_secret.get_secret_value() == secret


@pytest.mark.parametrize(
    "names",
    [["POSTGRES_URL"], ["POSTGRES_PRISMA_URL", "POSTGRES_URL", "POSTGRES_URL_NON_POOLING"],
     ["DATABASE_URL_UNPOOLED"], ["STORAGE_DATABASE_URL", "STORAGE_POSTGRES_URL_NO_SSL"],
     ["PRISMA_DATABASE_URL"], ["DATABASE_POSTGRES_URL"], ["DATABASE_URL_DIRECT"]],
)  # fmt: skip
def test_a_database_of_another_name_is_named_and_not_shown(names, capsys, monkeypatch):
    """As integrations with Vercel call it."""
    env = {name: value for name, value in GOOD.items() if name != "DATABASE_URL"}
    urls = dict.fromkeys(names, "postgresql://u:hush@hush/hush")
    text = problem(env | urls | {"MOC_BUCKET": ""})
    assert text.startswith(f"DATABASE_URL: Field required. Set are {', '.join(names)}: if one is")
    assert "MOC_BUCKET: Field required" in text
    assert "hush" not in text
    assert "Set are" not in problem(env | {"MONGODB_URI": "x", "REDIS_URL": "x"})
    if names != ["DATABASE_URL_DIRECT"]:  # which `make migrate` takes
        monkeypatch.setattr("os.environ", urls)
        assert migrate_main() == 1
        assert f"Set are {', '.join(names)}: if one is" in (printed := capsys.readouterr().err)
        assert "hush" not in printed


@pytest.mark.parametrize("number", ["1_0", "+5", "٣", "5.0", "1e1", "0x5", "5 0", "--5", "5,0", "²"])
def test_a_number_has_ascii_digits_and_nothing_else(number):
    for name in ("MAX_BATCH_SIZE", "DATABASE_POOL_SIZE", "MAX_UPLOAD_GB_PER_DAY", "SESSION_TTL_MINUTES"):
        assert f"{name}: must be a number" in problem(GOOD | {name: number})
    with pytest.raises(SettingsError, match="MAX_X_MB: must be a number"):
        Settings.from_env(GOOD | {"MAX_X_MB": number}, ["MAX_X_MB"])
    assert Settings.from_env(GOOD | {"MAX_BATCH_SIZE": " 07\n"}).max_batch_size == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [("MAX_BATCH_SIZE", "0"), ("MAX_BATCH_SIZE", "ten"), ("MULTIPART_PART_SIZE_MB", "4"),
     ("MULTIPART_PART_SIZE_MB", "101"), ("PRESIGNED_URL_TTL_MINUTES", "-1"), ("STAGE", "a/b"),
     ("S3_ENDPOINT_URL", "localhost:9000"), ("AUTH_BYPASS", "perhaps"), ("LOG_LEVEL", "LOUD"),
     ("AUTH_JWT_SECRET", "short"), ("AUTH_JWKS_URL", "https://both/are/set"), ("S3_REGION", "eu west 1"),
     ("MOC_BUCKET", "My Bucket!"), ("MOC_BUCKET", "ab"), ("S3_ENDPOINT_URL", "http://"),
     ("S3_ENDPOINT_URL", "https://key:secret@s3.example.com"), ("S3_ENDPOINT_URL", "https://key:secret/x@s3"),
     ("S3_ENDPOINT_URL", "https://secret@s3.example.com/x"), ("PUBLIC_BASE_URL", "https://u:secret@cdn"),
     ("PUBLIC_BASE_URL", "https://cdn/?secret"), ("PUBLIC_BASE_URL", "https://cdn/x#secret"),
     ("AUTH_JWKS_URL", "https://u:secret@issuer/jwks"), ("AWS_ENDPOINT_URL_STS", "http://u:secret@sts"),
     ("AWS_ACCESS_KEY_ID", "alone"), ("AWS_SECRET_ACCESS_KEY", "alone"),
     ("S3_ACCESS_KEY_ID", "alone"), ("S3_SECRET_ACCESS_KEY", "alone"), ("S3_SESSION_TOKEN", "alone")],
)  # fmt: skip
def test_an_invalid_value_is_named_and_not_shown(name, value):
    text = problem(GOOD | {name: value})
    assert name in text
    assert "secret" not in text  # in lower case it is part of values only


NAMES = [name.upper() for name in Settings.model_fields if name != "max_category_mb"]
KEYS = [
    f"{prefix}_{name}"
    for prefix in ("AWS", "S3")
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
]


@pytest.mark.parametrize("name", [*NAMES, "MAX_IMAGE_MB"])
def test_bytes_that_are_no_utf8_are_named_and_not_shown(name):
    """As `os.environ` shows them. Secrets were not named, or failed where they were first used."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_env(GOOD | {name: "hush" * 8 + "\udcff"}, ["MAX_IMAGE_MB"])
    assert str(caught.value) == f"{name}: must be UTF-8"


@pytest.mark.parametrize("name", [*KEYS, "VERCEL_OIDC_TOKEN"])
@pytest.mark.parametrize("inside", ["\n", "\r\n", "\x00", "\x7f", "\t"])
def test_a_line_break_in_a_key_is_named_and_not_shown(name, inside):
    """In a header, it made an exception whose text is the whole token."""
    env = GOOD | dict.fromkeys(KEYS, "good") | {name: f"hush{inside}hush"}
    assert problem(env) == f"{name}: must be one line, without a line break or a control character"


@pytest.mark.parametrize("name", [*KEYS, "VERCEL_OIDC_TOKEN", "S3_SSE_KMS_KEY_ID"])
@pytest.mark.parametrize("pasted", ["\u200b", "\ufeff", "\u201d", "\u00e9"])
def test_what_was_pasted_along_with_a_key_is_named(name, pasted):
    """The store refused it, and what people compared looked the same."""
    text = problem(GOOD | dict.fromkeys(KEYS, "good") | {name: f"hush{pasted}"})
    assert text.startswith(f"{name}: must be ASCII")
    assert "hush" not in text


@pytest.mark.parametrize("kind", ["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE", "PRIVATE KEY"])
def test_a_key_pair_is_no_shared_secret(kind):
    """All tokens were 401, and the log said no more than that they are malformed."""
    pem = f"-----BEGIN {kind}-----\nhushhushhushhushhushhush\n-----END {kind}-----"
    text = problem(GOOD | {"AUTH_JWT_SECRET": pem})
    assert "AUTH_JWT_SECRET: must be a shared secret" in text
    assert "hush" not in text


@pytest.mark.parametrize("name", ["DATABASE_URL", "MOC_BUCKET", "AUTH_JWT_SECRET"])
@pytest.mark.parametrize("empty", [None, "", " "])
def test_what_is_missing_is_named(name, empty):
    env = {key: value for key, value in GOOD.items() if key != name}
    assert name in problem(env if empty is None else env | {name: empty})


def test_a_line_break_that_was_pasted_too_does_no_harm():
    settings = Settings.from_env(GOOD | {"MOC_BUCKET": "bucket\n", "S3_REGION": " eu-west-1 "})
    assert (settings.moc_bucket, settings.s3_region) == ("bucket", "eu-west-1")


def test_an_empty_variable_is_not_set():
    assert Settings.from_env(GOOD | {"PUBLIC_BASE_URL": "", "MAX_BATCH_SIZE": ""}).max_batch_size == 10


SIGNS = {
    "VERCEL": {"VERCEL": "1"},
    "VERCEL_URL": {"VERCEL_URL": "x.vercel.app"},
    "VERCEL_REGION": {"VERCEL_REGION": ""},  # set and empty
    "VERCEL_OIDC_TOKEN": {"VERCEL_OIDC_TOKEN": "x"},
    "VERCEL_ENV": {"VERCEL_ENV": "production"},
    "AWS_LAMBDA_FUNCTION_NAME": {"AWS_LAMBDA_FUNCTION_NAME": "uploads"},
}
NOT_DEVELOPMENT = ["production", "preview", "Production", "Development", " development", "development\n",
                   "dev", "staging",
                   "", "x,development"]  # fmt: skip


@pytest.mark.parametrize("name", ["AUTH_BYPASS", "RATE_LIMIT_BYPASS"])
class TestBypasses:
    @pytest.mark.parametrize("sign", SIGNS)
    def test_are_refused_where_anything_tells_of_a_deployment(self, name, sign):
        text = problem(GOOD | {name: "true"} | SIGNS[sign])
        assert name in text
        assert sign in text

    @pytest.mark.parametrize("place", NOT_DEVELOPMENT)
    def test_are_refused_unless_it_is_exactly_development(self, name, place):
        assert name in problem(GOOD | {name: "true", "VERCEL": "1", "VERCEL_ENV": place})

    def test_work_on_this_machine_and_under_vercel_dev(self, name):
        assert Settings.from_env(GOOD | {name: "true"})
        assert Settings.from_env(GOOD | {name: "true", "VERCEL": "1", "VERCEL_ENV": "development"})

    def test_switched_off_they_are_no_business_of_anybody(self, name):
        assert Settings.from_env(GOOD | {name: "false", "VERCEL": "1", "VERCEL_ENV": "production"})


@pytest.mark.parametrize("sign", SIGNS)
def test_https_is_required_of_a_jwks_on_a_deployment(sign):
    env = {"DATABASE_URL": "x", "MOC_BUCKET": "bucket", "AUTH_ISSUER": "https://a"} | SIGNS[sign]
    assert "AUTH_JWKS_URL: must be https" in problem(env | {"AUTH_JWKS_URL": "http://a.example/jwks"})
    assert Settings.from_env(env | {"AUTH_JWKS_URL": "https://a.example/jwks"})
    assert Settings.from_env(env | {"AUTH_JWKS_URL": "http://127.0.0.1/jwks", "VERCEL_ENV": "development"})


@pytest.mark.parametrize(
    "name", ["S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "PUBLIC_BASE_URL", "AUTH_JWKS_URL"]
)
@pytest.mark.parametrize(
    "url",
    ["http://[::1", "http://::1]/", "http://host:99999/", "http://host:port/", "http://host:0/",
     "http:///path", "http://",
     "https:/host", "host:9000", "ftp://host/", "file:///etc/passwd", "http://ho st/", "http://user:hush@host/",
     "https://hush@host/", "http://host/a b"],
)  # fmt: skip
def test_addresses_that_are_none_are_named_and_not_shown(name, url):
    env = {
        name_: value for name_, value in GOOD.items() if name_ != "AUTH_JWT_SECRET" or name != "AUTH_JWKS_URL"
    }
    text = problem(env | {"AUTH_ISSUER": "x", name: url})
    assert name in text
    assert url not in text
    assert "hush" not in text


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1]:9000",
        "http://localhost:9000",
        "https://a.example/x?y=z#w",
        "https://a.example/b@c",
        "HTTPS://A.example",
    ],
)
def test_addresses_that_are_good(url):
    assert Settings.from_env(GOOD | {"AWS_ENDPOINT_URL_STS": url}).aws_endpoint_url_sts == url


# A value for each variable that cannot be; ANY: there is no such value.
ANY = None
INVALID = {
    "DATABASE_URL": "mysql://user:hush@host/db", "DATABASE_POOL_SIZE": "none",
    "DATABASE_SSL_ROOT_CERT": "hush", "AWS_ACCESS_KEY_ID": ANY,
    "AWS_SECRET_ACCESS_KEY": ANY, "AWS_SESSION_TOKEN": ANY, "S3_ACCESS_KEY_ID": "alone",
    "S3_SECRET_ACCESS_KEY": "hush", "S3_SESSION_TOKEN": "hush", "AWS_ROLE_ARN": "arn:aws:iam::1:hush",
    "AWS_ENDPOINT_URL_STS": "http://[::1", "VERCEL_OIDC_TOKEN": ANY, "S3_REGION": "eu west 1",
    "S3_ENDPOINT_URL": "https://user:hush@host", "S3_PUBLIC_ENDPOINT_URL": "https://host/?hush",
    "S3_ADDRESSING_STYLE": "hush", "AWS_USE_DUALSTACK_ENDPOINT": "hush", "AWS_USE_FIPS_ENDPOINT": "hush",
    "S3_SSE": "hush", "S3_SSE_KMS_KEY_ID": "hush",
    "MOC_BUCKET": "hush hush", "PUBLIC_BASE_URL": "hush",
    "STAGE": "a/hush", "PRESIGNED_URL_TTL_MINUTES": "hush", "MAX_BATCH_SIZE": "0",
    "MAX_PRESIGNED_URLS": "10001", "MAX_FILES_PER_SESSION": "-1", "MULTIPART_PART_SIZE_MB": "4",
    "SESSION_TTL_MINUTES": "1e3",
    "MAX_SESSIONS_PER_DAY": "many", "MAX_UPLOAD_GB_PER_DAY": "0.5", "MAX_CATEGORY_MB": ANY,
    "AUTH_JWKS_URL": "https://hush@host/", "AUTH_ISSUER": ANY, "AUTH_AUDIENCE": ANY,
    "AUTH_JWT_SECRET": "hush",
    "AUTH_BYPASS": "perhaps", "DEV_USER_SUB": "hush" * 100, "RATE_LIMIT_BYPASS": "2",
    "ALLOWED_ORIGINS": "hush",
    "LOG_LEVEL": "HUSH", "VERCEL": ANY, "VERCEL_ENV": ANY, "VERCEL_TARGET_ENV": ANY, "VERCEL_PROJECT_ID": ANY,
    "VERCEL_URL": ANY, "VERCEL_PROJECT_PRODUCTION_URL": ANY,
}  # fmt: skip


def test_every_variable_has_an_invalid_value_here():
    assert INVALID.keys() == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("name", [name for name, value in INVALID.items() if value is not ANY])
def test_every_variable_that_is_invalid_is_named_in_the_log_without_a_secret(
    in_process, env, monkeypatch, caplog, name
):
    from lib import wiring

    api = in_process()
    wiring.use(None)
    for variable, value in (env | {name: INVALID[name]}).items():
        monkeypatch.setenv(variable, value)
    status, refusal = api.refused("POST", "", {})
    assert (status, refusal) == (500, error("INTERNAL_ERROR", "INTERNAL_ERROR"))
    told = [record.problem for record in caplog.records if record.getMessage() == "settings"]
    assert told
    assert all(name in line for line in told)
    lines = " ".join(str(vars(record)) for record in caplog.records)
    secrets = [*secrets_of(env), "hush", "HUSH"]
    assert not [secret for secret in secrets if secret in lines]


def test_a_jwks_needs_its_issuer():
    env = {"DATABASE_URL": "x", "MOC_BUCKET": "bucket", "AUTH_JWKS_URL": "https://a/b"}
    assert "AUTH_ISSUER" in problem(env)
    assert Settings.from_env(env | {"AUTH_ISSUER": "https://a"})


AWS = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "aws-hush", "AWS_SESSION_TOKEN": "aws-token"}
S3 = {"S3_ACCESS_KEY_ID": "own", "S3_SECRET_ACCESS_KEY": "own-hush"}
DEPLOYED = {"VERCEL": "1"}


def keys_of(env):
    """The keys that sign, as plain text."""
    keys = Settings.from_env(GOOD | env).keys
    return keys and tuple(
        part if part is None or isinstance(part, str) else part.get_secret_value() for part in keys
    )


@pytest.mark.parametrize(
    ("env", "keys"),
    [
        ({}, None),
        (AWS, ("AKIA1", "aws-hush", "aws-token")),
        (S3, ("own", "own-hush", None)),
        (S3 | {"S3_SESSION_TOKEN": "own-token"}, ("own", "own-hush", "own-token")),
        (S3 | {"S3_SESSION_TOKEN": " "}, ("own", "own-hush", None)),
        (S3 | {"AWS_ACCESS_KEY_ID": "AKIA1"}, ("own", "own-hush", None)),
        (AWS | S3, ("own", "own-hush", None)),  # never with a token of another set
        (AWS | {"S3_ACCESS_KEY_ID": "", "S3_SECRET_ACCESS_KEY": ""}, ("AKIA1", "aws-hush", "aws-token")),
        ({"AWS_SESSION_TOKEN": "vercels"} | S3 | DEPLOYED, ("own", "own-hush", None)),
        (S3 | {"S3_SESSION_TOKEN": "own-token"} | DEPLOYED, ("own", "own-hush", "own-token")),
        (AWS | DEPLOYED, ("AKIA1", "aws-hush", None)),  # a user's own keys have no token: it is Vercel's
        (AWS | {"AWS_ACCESS_KEY_ID": "0123456789abcdef"} | DEPLOYED, ("0123456789abcdef", "aws-hush", None)),
        (AWS | {"AWS_ACCESS_KEY_ID": "ASIA1"} | DEPLOYED, ("ASIA1", "aws-hush", "aws-token")),
        ({"AWS_SESSION_TOKEN": "vercels"} | DEPLOYED, None),
        (AWS | {"VERCEL_ENV": "production"}, ("AKIA1", "aws-hush", None)),  # Vercel can be told not to say 1
        (AWS | {"VERCEL_REGION": "iad1"}, ("AKIA1", "aws-hush", None)),
        (AWS | {"AWS_LAMBDA_FUNCTION_NAME": "f"}, ("AKIA1", "aws-hush", None)),
        (AWS | DEPLOYED | {"VERCEL_ENV": "development"}, ("AKIA1", "aws-hush", None)),
    ],
)  # fmt: skip
def test_one_whole_set_of_keys_signs(env, keys):
    assert keys_of(env) == keys


@pytest.mark.parametrize("missing", ["S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"])
@pytest.mark.parametrize("others", [{}, AWS, {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r"}])
def test_half_a_set_is_not_filled_up_from_another(missing, others):
    half = {name: value for name, value in S3.items() if name != missing}
    assert "S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY: both must be set" in problem(GOOD | others | half)


def test_secrets_are_not_in_the_settings_repr():
    settings = Settings.from_env(GOOD | AWS | S3 | {"S3_SESSION_TOKEN": "hush"})
    for shown in (repr(settings), repr(settings.keys)):
        assert "hush" not in shown
        assert "token'" not in shown
    shown = repr(settings)
    assert "secret@h" not in shown


def test_a_missing_setting_is_a_500_that_tells_the_log(in_process, monkeypatch, caplog):
    from lib import wiring

    api = in_process()
    wiring.use(None)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("MOC_BUCKET", "")
    status, refusal = api.refused("POST", "", {})
    assert (status, refusal) == (500, error("INTERNAL_ERROR", "INTERNAL_ERROR"))
    [problem] = [record.problem for record in caplog.records if record.getMessage() == "settings"]
    assert problem == "DATABASE_URL: Field required; MOC_BUCKET: Field required"


def test_limits_follow_the_settings(in_process):
    api = in_process(
        MAX_BATCH_SIZE="2", MAX_PRESIGNED_URLS="3", MAX_INSTRUCTION_MB="2000", MULTIPART_PART_SIZE_MB="6",
        MAX_FILES_PER_SESSION="4", SESSION_TTL_MINUTES="1", PRESIGNED_URL_TTL_MINUTES="600",
    )  # fmt: skip
    created = api.ok("POST", "", {})
    session = created["sessionId"]
    assert (created["maxFiles"], created["partSizeBytes"]) == (4, 6 * 1024**2)
    big = {"name": "a.pdf", "type": "application/pdf", "size": 1000 * 1024**2, "partCount": 167}
    registered = api.register(session, big)
    assert [entry["partNumber"] for entry in registered["presignedUrls"]] == [1, 2, 3]
    assert registered["nextPartNumber"] == 4
    assert registered["presignedUrls"][0]["expiresAt"] <= created["expiresAt"]
    page = api.parts(session, registered["fileId"], "?presign=true&fromPart=4")
    assert [entry["partNumber"] for entry in page["presignedUrls"]] == [4, 5, 6]
    assert page["nextPartNumber"] == 7
    small = {"type": "application/pdf", "size": 10, "partCount": 1}
    batch = [big | {"name": "c.pdf"}, small | {"name": "b.pdf"}]
    results = api.batch(session, batch)["results"]
    assert [(len(r["presignedUrls"]), r.get("nextPartNumber")) for r in results] == [(3, 4), (0, 1)]
    status, refusal = api.refused("POST", f"/{session}/files/batch", {"files": [*batch, small]})
    assert (status, refusal["reason"]) == (400, "BATCH_TOO_LARGE")


def test_a_user_creates_so_many_sessions_a_day(in_process, db, user):
    api = in_process(MAX_SESSIONS_PER_DAY="2", RATE_LIMIT_BYPASS="false")
    first, _ = api.session(), api.session()
    response = api.call("POST", "", {})
    assert response.status_code == 429
    refusal = response.json()["error"]
    assert (refusal["code"], refusal["reason"]) == ("TOO_MANY_REQUESTS", "SESSION_RATE_LIMIT")
    assert refusal["details"].keys() == {"nextAllowedAt", "retryAfterSeconds"}
    assert 86_000 < refusal["details"]["retryAfterSeconds"] <= 86_401
    assert response.headers["Retry-After"] == str(refusal["details"]["retryAfterSeconds"])
    db.execute(
        "UPDATE upload_sessions SET created_at = NOW() - INTERVAL '1 day 1 second' WHERE id = %s", [first]
    )
    assert api.call("POST", "", {}).status_code == 201
    assert api.call("POST", "", {}).status_code == 429


def test_the_rate_limit_holds_when_calls_come_at_once(in_process):
    from concurrent.futures import ThreadPoolExecutor

    api = in_process(MAX_SESSIONS_PER_DAY="3", RATE_LIMIT_BYPASS="false")
    with ThreadPoolExecutor(8) as executor:
        statuses = list(executor.map(lambda _: api.call("POST", "", {}).status_code, range(8)))
    assert sorted(statuses) == [201] * 3 + [429] * 5
