"""The doctor: each thing that can be wrong with a deployment, made wrong for real."""

import hashlib
import json
import os
import subprocess
import sys
from email.utils import formatdate
from time import time
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from db.migrate import migrate
from deploy import check_database
from deploy.causes import fix_of, refusal
from deploy.deployment import Deployment
from deploy.doctor import examine
from deploy.documents import document
from deploy.parts import PART
from deploy.report import lines
from lib.runtime.config import Settings
from lib.s3.refusals import refused, unavailable
from tests.deploy.conftest import ORIGIN
from tests.support.aws_refusals import SECRET_WORDS, Refusal, another_region, refusing
from tests.support.dripping import Dripping
from tests.support.http_faults import FaultyProxy
from tests.support.http_server import Handler, HttpServer
from tests.support.servers import ROOT
from tests.support.tampering import TamperingProxy


def found(env):
    """Each check's finding, and nothing secret in any of their words."""
    findings = list(examine(env))
    told = "\n".join(lines(findings, colour=False))
    for name in ("AWS_SECRET_ACCESS_KEY", "AUTH_JWT_SECRET", "AWS_SESSION_TOKEN", "VERCEL_OIDC_TOKEN"):
        assert not env.get(name) or env[name] not in told
    password = urlsplit(env.get("DATABASE_URL", "")).password
    assert not password or password not in told
    assert "X-Amz-Signature" not in told
    return {finding.check: finding for finding in findings}


def wrong(env):
    """The checks that are wrong, with what each says and how to fix it."""
    return {
        name: f"{finding.text}\n{finding.fix}"
        for name, finding in found(env).items()
        if finding.status == "wrong"
    }


def test_everything_is_ok_in_a_healthy_deployment(healthy, s3):
    statuses = {name: finding.status for name, finding in found(healthy).items()}
    assert statuses.pop("public access") == "warning"  # SeaweedFS does not know it
    assert len(statuses) > 15
    assert set(statuses.values()) == {"ok"}


def test_it_leaves_nothing_behind(healthy, s3, bucket, db):
    rows = "SELECT (SELECT count(*) FROM upload_sessions), (SELECT count(*) FROM upload_session_files)"
    before = db.execute(rows).fetchone()
    found(healthy)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    assert db.execute(rows).fetchone() == before


# --- Settings and authentication


def test_settings_that_make_no_sense(healthy):
    env = {name: value for name, value in healthy.items() if name != "MOC_BUCKET"}
    [one, another] = list(examine(env | {"MAX_BATCH_SIZE": "0"}))
    assert [one.status, another.status] == ["wrong", "wrong"]
    assert one.text == "MOC_BUCKET: Field required"
    assert another.text.startswith("MAX_BATCH_SIZE")


def test_a_setting_that_is_explained_in_two_halves_of_a_sentence_is_one_finding(healthy):
    [one] = examine(healthy | {"AUTH_JWT_SECRET": f"-----BEGIN PUBLIC KEY-----\n{'x' * 32}"})
    assert one.text.startswith("AUTH_JWT_SECRET: ")
    assert one.text.endswith("for keys set AUTH_JWKS_URL")


def test_bypasses_are_for_this_machine_only(healthy):
    env = healthy | {"AUTH_BYPASS": "true"}
    assert found(env)["authentication"].status == "warning"
    assert "AUTH_BYPASS" in wrong(env | {"VERCEL_ENV": "production"})["settings"]


def test_no_audience_is_worth_a_look(healthy):
    assert found(healthy | {"AUTH_AUDIENCE": ""})["audience"].status == "warning"


def with_jwks(env, url, issuer):
    return env | {"AUTH_JWT_SECRET": "", "AUTH_JWKS_URL": url, "AUTH_ISSUER": issuer}


def test_a_jwks_that_answers_is_ok(healthy, issuer):
    findings = found(with_jwks(healthy, issuer.jwks_url, issuer.url))
    assert findings["authentication"].text == "the JWKS has 1 signing key"
    assert (findings["authentication"].status, findings["issuer"].status) == ("ok", "ok")


@pytest.mark.parametrize(
    ("path", "text"),
    [("/openid-configuration", "no JWKS"), ("/none", "does not answer")],
)
def test_a_jwks_url_that_is_none(healthy, issuer, path, text):
    assert text in wrong(with_jwks(healthy, issuer.url + path, issuer.url))["authentication"]


def test_a_jwks_that_nobody_serves(healthy):
    env = with_jwks(healthy, "http://127.0.0.1:1/jwks", "http://127.0.0.1:1")
    assert "does not answer (Connection" in wrong(env)["authentication"]


def test_an_issuer_of_another_name(healthy, issuer):
    env = with_jwks(healthy, issuer.jwks_url, issuer.url + "/")
    assert f"AUTH_ISSUER={issuer.url}" in wrong(env)["issuer"]


@pytest.mark.parametrize(
    "origins",
    ["https://*.example.com", "app.example.com", "https://a.example/page", "null", "//a.example", "https://"],
)
def test_origins_that_no_browser_sends(healthy, origins):
    text = wrong(healthy | {"ALLOWED_ORIGINS": f"{ORIGIN},{origins}"})["settings"]
    assert "ALLOWED_ORIGINS: item 2 is no origin" in text


@pytest.mark.parametrize(
    "origin", ["capacitor://localhost", "ionic://localhost", "HTTPS://App.Example.com", "http://[::1]:3000",
               "https://app.example.com:443", "app.example+x://a_b"],
)  # fmt: skip
def test_origins_that_browsers_and_apps_send(healthy, origin):
    assert found(healthy | {"ALLOWED_ORIGINS": origin})["origins"].status == "ok"


def test_any_origin_is_said_to_be_any(healthy):
    finding = found(healthy | {"ALLOWED_ORIGINS": "*"})["origins"]
    assert (finding.status, "any web page" in finding.text) == ("warning", True)


@pytest.mark.parametrize("region", [None, "", " \n"])
def test_a_region_that_vercel_would_choose_is_worth_a_look(healthy, region):
    """It sets AWS_REGION to the function's, which the doctor's machine does not know, and R2 refuses."""
    env = {name: value for name, value in healthy.items() if name != "S3_REGION"}
    finding = found(env if region is None else env | {"S3_REGION": region})["region"]
    assert (finding.status, "here it is us-east-1" in finding.text) == ("warning", True)
    assert "region" not in found(healthy | {"S3_REGION": "us-east-1"})


def test_a_style_that_cannot_be_followed(healthy):
    """The stand-in's endpoint is an IP address."""
    assert "bucket address" not in found(healthy)
    finding = found(healthy | {"S3_ADDRESSING_STYLE": "virtual"})["bucket address"]
    assert (finding.status, "by path" in finding.text) == ("warning", True)


# --- The database


def test_a_database_user_that_can_only_read_is_wrong(healthy):
    url = healthy["DATABASE_URL"]
    url += f"{'&' if '?' in url else '?'}options=-cdefault_transaction_read_only%3Don"
    assert "read-only" in wrong(healthy | {"DATABASE_URL": url})["database user"]


def test_a_database_that_was_never_migrated(healthy, db):
    db.execute("CREATE DATABASE unmigrated")
    url = healthy["DATABASE_URL"].rpartition("/")[0] + "/unmigrated"
    try:
        assert "make migrate" in wrong(healthy | {"DATABASE_URL": url})["migrations"]
        migrate(url)
        assert wrong(healthy | {"DATABASE_URL": url}) == {}
        with psycopg.connect(url) as connection:
            connection.execute("DELETE FROM upload_session_migrations")
        text = wrong(healthy | {"DATABASE_URL": url})["migrations"]
        assert text.startswith("not applied: 0001_upload_sessions.sql")
        with psycopg.connect(url) as connection:
            connection.execute(
                "INSERT INTO upload_session_migrations VALUES ('0001_upload_sessions.sql', 'other')"
            )
        assert "was changed after it was applied" in wrong(healthy | {"DATABASE_URL": url})["migrations"]
    finally:
        db.execute("DROP DATABASE unmigrated WITH (FORCE)")


def test_a_database_out_of_reach(healthy):
    url = urlsplit(healthy["DATABASE_URL"])
    for broken in (url._replace(netloc=url.netloc.replace(str(url.port), "1")), url._replace(path="/none")):
        assert "does not connect" in wrong(healthy | {"DATABASE_URL": broken.geturl()})["database"]
    assert "DATABASE_URL: is no" in wrong(healthy | {"DATABASE_URL": "mysql://h/d"})["database"]


@pytest.mark.parametrize(
    ("refusal", "fix"),
    [("Tenant or user not found", "postgres.PROJECT_REF"),  # Supabase
     ("(ENOTFOUND) tenant/user postgres.abc not found", "postgres.PROJECT_REF"),
     ("(ENOIDENTIFIER) no tenant identifier provided (external_id or sni_hostname required)", "PROJECT_REF"),
     ("MaxClientsInSessionMode: max clients reached", "pooler in transaction mode"),
     ("sorry, too many clients already", "DATABASE_POOL_SIZE"),
     ('too many connections for role "u"', "DATABASE_POOL_SIZE"),
     ("remaining connection slots are reserved for roles with the SUPERUSER attribute", "DATABASE_POOL_SIZE"),
     ("no more connections allowed (max_client_conn)", "DATABASE_POOL_SIZE"),  # PgBouncer
     ('no pg_hba.conf entry for host "1.2.3.4", user "u", database "d", no encryption', "sslmode"),  # RDS
     ('no pg_hba.conf entry for host "1.2.3.4", user "u", database "d", SSL off', "sslmode"),  # Heroku
     ('no pg_hba.conf entry for host "1.2.3.4", user "u", database "d", SSL encryption', "let in"),  # Azure
     ("connection is insecure (try using `sslmode=require`)", "sslmode=verify-full"),  # Neon
     ('password authentication failed for user "u"', "[YOUR-PASSWORD]"),
     ("the database system is starting up", "dashboard for what"),
     ("Your account or project has exceeded the compute time quota.", "dashboard for what"),  # Neon
     ("You have exceeded the limit of concurrently active endpoints", "dashboard for what"),
     ("Couldn't connect to compute node", "dashboard for what"),  # all of Neon's: neon.com/docs/connect
     ("query_wait_timeout", "connections are in use"),  # PgBouncer
     ("unable to check out connection from the pool after 60000ms", "are in use"),  # Supabase
     ("Timed-out waiting to acquire database connection", "connections are in use"),  # RDS Proxy
     ("unsupported startup parameter: geqo", "PGGEQO"),
     ("invalid command-line argument for server process: project=abc", "Take 'options=…'"),
     ('invalid value for parameter "TimeZone": "bogus"', "PGTZ"),
     ("connection requires a valid client certificate", "a password over TLS"),  # Cloud SQL
     ('database "d" does not exist', "at its end")],
)  # fmt: skip
def test_what_a_host_says_to_a_connection_is_told_with_what_helps(healthy, refusal, fix):
    fields = b"SFATAL\0VFATAL\0CXX000\0M" + refusal.encode() + b"\0\0"
    with Dripping(b"E" + (len(fields) + 4).to_bytes(4) + fields) as host:
        url = f"postgresql://u:hush@127.0.0.1:{host.port}/d?sslmode=disable"
        settings = Settings.from_env(healthy | {"DATABASE_URL": url})
        with httpx.Client() as http:
            [finding] = check_database.check_database(Deployment(settings, http))
    assert refusal in finding.text
    assert fix in finding.fix
    assert "hush" not in finding.text


@pytest.mark.parametrize(
    ("error", "fix"),
    [("failed to resolve host 'dpg-abc-a': [Errno -2] Name or service not known", "the public URL"),
     ('connection to server at "2a05::1", port 5432 failed: Network is unreachable', "the pooler's URL"),
     ("channel binding required, but server authenticated client without channel binding", "verify-full"),
     ("received invalid response to SSL negotiation: H", "host and port"),
     ('connection to server at "h" (::1), port 1 failed: Connection refused', "host and port"),
     ('connection to server on socket "/cloudsql/p:r:i/.s.PGSQL.5432": No such file', "@host/database"),
     ("server is in hot standby mode", "the primary's"), ("session is read-only", "the primary's"),
     ("fe_sendauth: no password supplied", "Write the password"),
     ("GSSAPI encryption required but no credential cache", "gssencmode"),
     ('authentication method requirement "md5" failed: server requested SASL', "require_auth"),
     ("server did not request an SSL certificate", "sslcertmode"),
     ("SSL error: wrong version number", "sslnegotiation"),
     ("canceling statement due to statement timeout", "RESET statement_timeout"),
     ('at "ec2-1.compute-1.amazonaws.com", port 5432 failed: password authentication failed', "[YOUR-PASS"),
     ('password authentication failed for user "quota"', "[YOUR-PASSWORD]"),
     ("connection timeout expired", "let in Vercel's")],
)  # fmt: skip
def test_what_keeps_a_connection_from_the_host_is_told_with_what_helps(error, fix):
    assert fix in check_database._fix(error)


def test_what_is_ignored_in_the_url_is_told(healthy):
    url = healthy["DATABASE_URL"] + "?pgbouncer=true&connection_limit=1"
    assert found(healthy | {"DATABASE_URL": url})["database"].text.endswith("pgbouncer, connection_limit")


def test_a_database_elsewhere_wants_tls(healthy):
    elsewhere = healthy["DATABASE_URL"].replace("127.0.0.1", "127.1")  # the same, but not by its name
    assert "sslmode=verify-full" in wrong(healthy | {"DATABASE_URL": elsewhere})["database TLS"]


# --- Credentials


def test_no_credentials(healthy):
    env = healthy | {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    findings = found(env)
    assert "AWS_ROLE_ARN" in findings["credentials"].fix
    assert (findings["bucket"].status, findings["upload"].status) == ("warning", "warning")
    assert "not checked" in findings["bucket"].text


def test_wrong_keys_are_named(healthy):
    for name, code in (
        ("AWS_SECRET_ACCESS_KEY", "SignatureDoesNotMatch"),
        ("AWS_ACCESS_KEY_ID", "InvalidAccessKeyId"),
    ):
        told = wrong(healthy | {name: "not-the-one"})["bucket"]
        assert f"({code})" in told
        assert name in told
        assert "iam-policy" not in told


def test_temporary_keys_are_worth_a_look(healthy):
    assert found(healthy | {"AWS_SESSION_TOKEN": "of-some-hours"})["credentials"].status == "warning"


# --- The bucket


def test_no_bucket(healthy):
    text = wrong(healthy | {"MOC_BUCKET": "no-such-bucket"})["bucket"]
    assert "aws s3api create-bucket --bucket no-such-bucket" in text


def test_a_store_that_does_not_answer(healthy):
    assert "EndpointConnectionError" in wrong(healthy | {"S3_ENDPOINT_URL": "http://127.0.0.1:1"})["bucket"]


def test_a_public_bucket_is_wrong(healthy, s3, bucket):
    statement = {
        "Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }  # fmt: skip
    s3.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    assert "delete-bucket-policy" in wrong(healthy)["bucket policy"]
    assert found(healthy)["private"].status == "warning"
    elsewhere = healthy["S3_ENDPOINT_URL"].replace("127.0.0.1", "127.1")  # the same, but not by its name
    assert "200 for a list, 404 for a key" in wrong(healthy | {"S3_ENDPOINT_URL": elsewhere})["private"]


RULE = document("cors", {"ALLOWED_ORIGINS": ORIGIN})["CORSRules"][0]


@pytest.mark.parametrize(
    "rule",
    [RULE | {"ExposeHeaders": []}, RULE | {"AllowedMethods": ["GET"]}, RULE | {"AllowedHeaders": ["X-Other"]},
     RULE | {"AllowedOrigins": ["https://other.example.com"]}],
    ids=["no ETag", "no PUT", "no Content-Type", "another origin"],
)  # fmt: skip
def test_cors_rules_that_do_not_do(healthy, s3, bucket, rule):
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    problems = wrong(healthy)
    assert problems.keys() == {"CORS", "browsers"}
    for text in problems.values():
        assert ORIGIN in text
        assert json.dumps(document("cors", {"ALLOWED_ORIGINS": ORIGIN})) in text


def test_cors_rules_that_give_more_will_do(healthy, s3, bucket):
    rule = RULE | {"AllowedOrigins": ["https://*.example.com"], "AllowedHeaders": ["*"],
                   "AllowedMethods": ["GET", "PUT"], "ExposeHeaders": ["X-Other", "ETag"]}  # fmt: skip
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    assert wrong(healthy) == {}


def test_no_cors_rules(healthy, s3, bucket):
    s3.delete_bucket_cors(Bucket=bucket)
    assert "put-bucket-cors" in wrong(healthy)["CORS"]


def test_a_browser_sees_no_etag_whatever_the_rules_say(healthy):
    with TamperingProxy(healthy["S3_ENDPOINT_URL"], drop=["access-control-expose-headers"]) as proxy:
        assert wrong(healthy | {"S3_ENDPOINT_URL": proxy.url}).keys() == {"browsers"}


ABORT = document("lifecycle", {})["Rules"][0]


@pytest.mark.parametrize(
    "rule",
    [None, ABORT | {"Status": "Disabled"}, ABORT | {"Filter": {"Prefix": "other/"}},
     {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 3}}],
    ids=["none", "disabled", "another prefix", "another action"],
)  # fmt: skip
def test_no_lifecycle_rule_for_what_nobody_finishes(healthy, s3, bucket, rule):
    s3.delete_bucket_lifecycle(Bucket=bucket)
    if rule:
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    problems = wrong(healthy)
    assert problems.keys() == {"lifecycle"}
    assert json.dumps(document("lifecycle", {})) in problems["lifecycle"]


def test_a_lifecycle_rule_of_our_prefix_will_do(healthy, s3, bucket):
    rule = ABORT | {"Filter": {"Prefix": "dev/"}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    assert wrong(healthy) == {}


def test_a_lifecycle_rule_that_ends_open_sessions(healthy):
    assert "open sessions" in wrong(healthy | {"SESSION_TTL_MINUTES": str(8 * 24 * 60)})["lifecycle"]


# --- The store's ways


def test_a_store_that_takes_any_length(healthy):
    with TamperingProxy(healthy["S3_ENDPOINT_URL"], cut=16) as proxy:
        assert wrong(healthy | {"S3_ENDPOINT_URL": proxy.url}).keys() == {"signed length"}


@pytest.mark.parametrize(
    ("refused", "checks"),
    [
        (lambda method, path: method == "GET" and "uploadId" in path, {"list parts", "abort"}),
        (lambda method, path: method == "PUT", {"upload"}),
        (lambda method, path: method == "HEAD" and "doctor/" in path, {"missing object"}),
        (lambda method, path: method == "POST" and "?uploads" in path, {"upload"}),
    ],
    ids=["ListParts", "UploadPart", "HeadObject", "CreateMultipartUpload"],
)
def test_what_the_credentials_may_not_do(healthy, refused, checks):
    with TamperingProxy(healthy["S3_ENDPOINT_URL"], refuse=refused) as proxy:
        problems = wrong(healthy | {"S3_ENDPOINT_URL": proxy.url})
    assert problems.keys() == checks
    assert any("deploy.documents iam-policy" in text for text in problems.values())


def test_an_upload_that_cannot_be_aborted_is_told(healthy, s3, bucket):
    def refused(method, _):
        return method == "DELETE"

    with TamperingProxy(healthy["S3_ENDPOINT_URL"], refuse=refused) as proxy:
        problems = wrong(healthy | {"S3_ENDPOINT_URL": proxy.url})
    assert problems.keys() == {"abort"}
    for item in s3.list_objects_v2(Bucket=bucket).get("Contents", ()):  # it could not be removed either
        s3.delete_object(Bucket=bucket, Key=item["Key"])
    left = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert any(upload["Key"] in problems["abort"] for upload in left)
    for upload in left:
        s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


KMS, IAM, CORS = "kms:GenerateDataKey", "deploy.documents iam-policy", "put-bucket-cors"
REDIRECT, ENDPOINT = "S3_ENDPOINT_URL leads elsewhere", "the store's S3 endpoint"


@pytest.mark.parametrize(
    ("operation", "refusal", "check", "words"),
    [
        ("CreateMultipartUpload", Refusal(403, "AccessDenied"), "upload", [IAM, "S3_SSE"]),
        ("CreateMultipartUpload", Refusal(400, "KMS.NotFoundException"), "upload", [KMS]),
        ("CreateMultipartUpload", Refusal(400, "ExpiredToken"), "upload", ["AWS_SESSION_TOKEN"]),
        ("UploadPart", Refusal(400, "InvalidRequest"), "upload", ["Object Lock"]),
        ("UploadPart", Refusal(403, "AccessDenied"), "upload", [IAM]),
        ("UploadPart", Refusal(403, "RequestTimeTooSkewed"), "upload", ["clock"]),
        ("CompleteMultipartUpload", Refusal(403, "AccessDenied"), "complete", [IAM, "kms:Decrypt"]),
        ("CompleteMultipartUpload", Refusal(400, "KMS.DisabledException"), "complete", [KMS]),
        ("CompleteMultipartUpload", Refusal(200, "AccessDenied"), "complete", [IAM]),
        ("ListParts", Refusal(403, "AccessDenied"), "list parts", [IAM]),
        ("HeadBucket", another_region("eu-west-1"), "bucket", ["S3_REGION=eu-west-1", "not in us-east-1"]),
        ("*", another_region("eu-west-1"), "bucket", ["S3_REGION=eu-west-1", "not in us-east-1"]),
        ("*", Refusal(400, "ExpiredToken"), "bucket", ["AWS_SESSION_TOKEN", "ExpiredToken"]),
        ("*", Refusal(404, "NoSuchBucket"), "bucket", ["create-bucket"]),
        ("*", Refusal(503, "SlowDown"), "bucket", ["does not answer", "SlowDown"]),
        # http in place of https, and an endpoint of another region
        ("*", Refusal(301, "301"), "bucket", [REDIRECT, "https"]),
        ("*", Refusal(308, "308"), "bucket", [REDIRECT]),
        ("*", Refusal(301, "PermanentRedirect"), "bucket", [REDIRECT, "remove it"]),
        ("CreateMultipartUpload", Refusal(307, "TemporaryRedirect"), "upload", [REDIRECT]),
        ("*", Refusal(302, "302"), "bucket", [REDIRECT, "log in"]),
        # The region, as AWS, R2 and Alibaba Cloud OSS say it
        ("*", Refusal(400, "AuthorizationHeaderMalformed"), "bucket", ["S3_REGION is not what"]),
        ("*", Refusal(400, "InvalidRegionName"), "bucket", ["S3_REGION is not what", "auto for R2"]),
        ("*", Refusal(400, "InvalidRegion"), "bucket", ["S3_REGION is not what"]),
        # A store that knows no paths: Alibaba Cloud, Tencent, Huawei
        ("*", Refusal(403, "SecondLevelDomainForbidden"), "bucket", ["S3_ADDRESSING_STYLE=virtual"]),
        ("*", Refusal(403, "PathStyleDomainForbidden"), "bucket", ["S3_ADDRESSING_STYLE=virtual"]),
        ("*", Refusal(403, "VirtualHostDomainRequired"), "bucket", ["S3_ADDRESSING_STYLE=virtual"]),
        # Something that is no store, and a bucket's name in the endpoint
        ("*", Refusal(404, "404"), "bucket", [ENDPOINT]),
        ("*", Refusal(404, "NoSuchKey"), "bucket", [ENDPOINT, "without the bucket's name"]),
        ("*", Refusal(400, "400"), "bucket", [ENDPOINT, "https"]),
        ("*", Refusal(501, "501"), "bucket", [ENDPOINT]),
        ("CreateMultipartUpload", Refusal(405, "MethodNotAllowed"), "upload", [ENDPOINT]),
        # Keys and accounts
        ("*", Refusal(401, "Unauthorized"), "bucket", ["AWS_ACCESS_KEY_ID"]),
        ("*", Refusal(403, "InvalidSecurity"), "bucket", ["AWS_ACCESS_KEY_ID"]),
        ("*", Refusal(400, "InvalidArgument"), "bucket", ["keys another store's"]),
        ("*", Refusal(403, "UserSuspended"), "bucket", ["about the account"]),
        ("CreateMultipartUpload", Refusal(400, "XMinioAdminBucketQuotaExceeded"), "upload", ["the account"]),
        ("CreateMultipartUpload", Refusal(415, "InvalidMimeType"), "upload", ["MIME types"]),
        ("CreateMultipartUpload", Refusal(400, "InvalidEncryptionAlgorithmError"), "upload", ["S3_SSE"]),
        ("CreateMultipartUpload", Refusal(501, "NotImplemented"), "upload", ["S3_SSE"]),
        ("CreateMultipartUpload", Refusal(400, "CloudKmsDisabledKey"), "upload", [KMS]),
        ("CreateMultipartUpload", Refusal(403, "UserDisable"), "upload", ["about the account"]),
        ("*", Refusal(401, "AuthenticationRequired"), "bucket", ["AWS_ACCESS_KEY_ID"]),
        ("*", Refusal(403, "InvalidTokenId"), "bucket", ["AWS_SESSION_TOKEN"]),
        ("UploadPart", Refusal(500, "InternalError"), "upload", ["the store fails", "KMS"]),
        # What the API takes for a change by somebody else
        ("CompleteMultipartUpload", Refusal(400, "InvalidPart"), "complete", ["InvalidPart", "consistent"]),
        ("CompleteMultipartUpload", Refusal(404, "NoSuchUpload"), "complete", ["NoSuchUpload", "consistent"]),
        ("CompleteMultipartUpload", Refusal(400, "EntityTooSmall"), "complete", ["MULTIPART_PART_SIZE_MB"]),
    ],
    ids=lambda value: f"{value.status} {value.code}" if isinstance(value, Refusal) else None,
)
def test_the_cause_of_each_refusal_is_named(healthy, operation, refusal, check, words):
    with FaultyProxy(healthy["S3_ENDPOINT_URL"], refusing({operation: refusal})) as proxy:
        problems = wrong(healthy | {"S3_ENDPOINT_URL": proxy.url})
    for word in words:
        assert word in problems[check]
    told = "".join(problems.values())
    assert SECRET_WORDS not in told
    assert CORS not in told
    if refusal.status == 400:
        assert IAM not in problems[check]


RETENTION = b"""<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ObjectLockEnabled>Enabled
</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule>
</ObjectLockConfiguration>"""


def test_a_bucket_with_a_default_retention_is_told(healthy):
    """As AWS answers GetObjectLockConfiguration; it would refuse every part with 400 InvalidRequest."""

    def locked(method, path):
        return RETENTION if method == "GET" and "?object-lock" in path else None

    with FaultyProxy(healthy["S3_ENDPOINT_URL"], locked) as proxy:
        assert "Object Lock" in wrong(healthy | {"S3_ENDPOINT_URL": proxy.url})["object lock"]
    assert "object lock" not in found(healthy)


@pytest.mark.parametrize("status", [200, 203, 204])
@pytest.mark.parametrize("answer", [b"", b"<html><br></html>"], ids=["nothing", "a page"])
def test_a_store_that_answers_each_question_with_the_same(healthy, status, answer):
    """A page of another program's, or a store that has nothing to say of CORS and lifecycle."""

    def fault(method, path):
        asks_of_bucket = method == "GET" and "?" in path and "uploadId" not in path
        return (status, answer) if asks_of_bucket else None

    with FaultyProxy(healthy["S3_ENDPOINT_URL"], fault) as proxy:
        findings = found(healthy | {"S3_ENDPOINT_URL": proxy.url})
    assert not [one for one in findings.values() if "could not be checked" in one.text]
    assert {"CORS", "lifecycle", "bucket policy", "upload"} <= findings.keys()


OF_GOOGLES = {
    "?cors": b"<CorsConfig><Cors><Origins><Origin>*</Origin></Origins></Cors></CorsConfig>",
    "?lifecycle": b"<LifecycleConfiguration><Rule><Action><AbortIncompleteMultipartUpload/></Action>"
    b"<Condition><Age>7</Age></Condition></Rule></LifecycleConfiguration>",
}


def test_rules_of_another_kind_than_awss_are_not_called_none(healthy):
    """Google Cloud Storage writes its own: https://cloud.google.com/storage/docs/xml-api/put-bucket-cors"""

    def fault(method, path):
        return next((xml for query, xml in OF_GOOGLES.items() if method == "GET" and query in path), None)

    with FaultyProxy(healthy["S3_ENDPOINT_URL"], fault) as proxy:
        findings = found(healthy | {"S3_ENDPOINT_URL": proxy.url})
    assert [findings[check].status for check in ("CORS", "lifecycle", "browsers")] == [
        "warning",
        "warning",
        "ok",
    ]


def test_transfer_acceleration_that_is_off_is_no_object_lock(healthy):
    """S3: "S3 Transfer Acceleration is not configured on this bucket", an InvalidRequest, too."""
    settings = Settings.from_env(healthy | {"S3_PUBLIC_ENDPOINT_URL": "https://s3-accelerate.amazonaws.com"})
    with httpx.Client() as http:
        fix = fix_of(Deployment(settings, http), "InvalidRequest")
    assert "Transfer Acceleration on" in fix
    assert "Object Lock" not in fix


@pytest.mark.parametrize("status", [400, 401, 403, 405])
def test_a_store_that_is_closed_to_whoever_does_not_sign(healthy, status):
    """R2 answers 400 `InvalidArgument`: its buckets were called public."""
    elsewhere = healthy["S3_ENDPOINT_URL"].replace("127.0.0.1", "127.1")
    with Closed(elsewhere, status) as proxy:
        url = proxy.url.replace("127.0.0.1", "127.1")
        finding = found(healthy | {"S3_ENDPOINT_URL": url})["private"]
    assert (finding.status, finding.text) == ("ok", "anonymous requests are refused")


class Closed(HttpServer):
    """Answers a status to each request without a signature."""

    def __init__(self, target, status):
        class Handling(Handler):
            def serve(self):
                body = self.body()
                signed = "Authorization" in self.headers or "X-Amz-Signature" in self.path
                if signed or self.command == "OPTIONS":
                    self.answer(*self.forward(target, body))
                else:
                    self.answer(status, (), b"<Error><Code>InvalidArgument</Code></Error>")

        super().__init__(Handling)


def test_a_part_whose_signature_does_not_match_is_not_the_secrets_fault(healthy):
    """As behind a proxy that sends a Host of its own: the API's calls went another way."""
    refused = refusing({"UploadPart": Refusal(403, "SignatureDoesNotMatch")})
    with FaultyProxy(healthy["S3_ENDPOINT_URL"], refused) as proxy:
        for name in ("S3_ENDPOINT_URL", "S3_PUBLIC_ENDPOINT_URL"):
            problem = wrong(healthy | {name: proxy.url})["upload"]
            assert "Host $http_host" in problem
            assert "SECRET" not in problem
            assert ("S3_PUBLIC_ENDPOINT_URL" in problem) == (name == "S3_PUBLIC_ENDPOINT_URL")


def test_a_public_endpoint_that_nobody_serves(healthy):
    problems = wrong(healthy | {"S3_PUBLIC_ENDPOINT_URL": "http://127.0.0.1:1"})
    assert "S3_PUBLIC_ENDPOINT_URL" in problems["private"]
    assert "bucket" not in problems


def test_https_where_the_store_speaks_http(healthy):
    """Or a certificate that nobody knows."""
    url = healthy["S3_ENDPOINT_URL"].replace("http:", "https:")
    assert "certificate" in wrong(healthy | {"S3_ENDPOINT_URL": url})["bucket"]


def test_a_bucket_of_another_jurisdiction(healthy):
    """R2 answers AccessDenied, or NoSuchBucket, at the endpoint of no jurisdiction."""
    account = "https://0123456789abcdef0123456789abcdef"
    settings = Settings.from_env(healthy | {"S3_ENDPOINT_URL": f"{account}.r2.cloudflarestorage.com"})
    with httpx.Client() as http:
        deployment = Deployment(settings, http)
        for code in ("AccessDenied", "NoSuchBucket"):
            assert ".eu.r2." in refusal(deployment, "bucket", "none", refused(code)).fix
        assert ".eu.r2." not in refusal(deployment, "bucket", "none", refused("ExpiredToken")).fix


@pytest.mark.parametrize(
    ("style", "error", "is_told"),
    [("virtual", unavailable(), True), ("virtual", refused("NoSuchBucket"), True),
     ("virtual", refused("MethodNotAllowed"), True), ("virtual", refused("InvalidAccessKeyId"), False),
     ("path", unavailable(), False), ("auto", refused("NoSuchBucket"), False)],
)  # fmt: skip
def test_a_store_that_may_have_no_names_for_buckets(healthy, style, error, is_told):
    """Such as MinIO without MINIO_DOMAIN."""
    there = {"S3_ENDPOINT_URL": "https://store.example.com", "S3_ADDRESSING_STYLE": style}
    with httpx.Client() as http:
        fix = refusal(Deployment(Settings.from_env(healthy | there), http), "bucket", "none", error).fix
    assert ("doctor.store.example.com" in fix and "S3_ADDRESSING_STYLE=path" in fix) == is_told


def test_an_aws_that_does_not_answer_may_be_of_no_region(healthy):
    settings = Settings.from_env(healthy | {"S3_ENDPOINT_URL": "", "S3_REGION": "eu-central-9"})
    with httpx.Client() as http:
        fix = refusal(Deployment(settings, http), "bucket", "none", unavailable()).fix
    assert "S3_REGION must be right, too: eu-central-9" in fix


@pytest.mark.parametrize(
    ("change", "lost"),
    [({"drop": ["content-disposition"]}, "Content-Disposition"),
     ({"drop": ["content-type", "content-disposition"]}, "Content-Type and Content-Disposition"),
     ({"headers": {"content-type": "binary/octet-stream"}}, "Content-Type"),
     ({"headers": {"content-disposition": "inline"}}, "Content-Disposition")],
)  # fmt: skip
def test_a_store_that_forgets_what_an_upload_was_started_with(healthy, change, lost):
    """https://github.com/ovh/public-cloud-roadmap/issues/1175"""
    with TamperingProxy(healthy["S3_ENDPOINT_URL"], **change) as proxy:
        finding = found(healthy | {"S3_ENDPOINT_URL": proxy.url})["object headers"]
    assert (finding.status, f"an upload's {lost}:" in finding.text) == ("warning", True)
    assert "object headers" not in found(healthy)


def test_an_etag_that_a_proxy_calls_weak_is_the_same(healthy):
    """For the API it is; the doctor sent it on as it was, and said that nothing can be completed."""
    weak = {"etag": f'W/"{hashlib.md5(PART).hexdigest()}"'}
    with TamperingProxy(healthy["S3_ENDPOINT_URL"], headers=weak) as proxy:
        assert found(healthy | {"S3_ENDPOINT_URL": proxy.url})["complete"].status == "ok"


def test_signed_length_is_only_ok_where_the_right_one_is_taken(healthy):
    refused = refusing({"UploadPart": Refusal(403, "AccessDenied")})
    with FaultyProxy(healthy["S3_ENDPOINT_URL"], refused) as proxy:
        assert "signed length" not in found(healthy | {"S3_ENDPOINT_URL": proxy.url})


def test_an_object_that_cannot_be_removed_is_told(healthy, s3, bucket):
    with FaultyProxy(
        healthy["S3_ENDPOINT_URL"], refusing({"DeleteObject": Refusal(403, "AccessDenied")})
    ) as proxy:
        finding = found(healthy | {"S3_ENDPOINT_URL": proxy.url})["removal"]
    assert finding.status == "warning"
    [left] = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert left["Key"] in finding.text
    s3.delete_object(Bucket=bucket, Key=left["Key"])


@pytest.mark.parametrize("seconds", [-600, 600])
def test_clocks_that_differ_are_wrong_by_so_many_seconds(healthy, seconds):
    date = {"date": formatdate(time() + seconds, usegmt=True)}  # of the moment when the test began
    with TamperingProxy(healthy["S3_ENDPOINT_URL"], headers=date) as proxy:
        problems = wrong(healthy | {"S3_ENDPOINT_URL": proxy.url})
    assert problems.keys() == {"clock", "database clock"}
    told = int(problems["clock"].split()[3])
    assert abs(told - seconds) < 30


# --- The command


@pytest.mark.parametrize(
    "proxy", ["http://u:hush/hush@127.0.0.1:1", "http://u:hush@[::1", "socks4://u:hush@127.0.0.1:1"]
)
def test_a_proxy_that_cannot_be_used_is_told_without_its_password(healthy, proxy):
    """The environment of the doctor itself, which need not be the deployment's."""
    done = run([""], healthy | {"ALL_PROXY": proxy})
    assert (done.returncode, done.stderr) == (1, "")
    assert "ALL_PROXY names a proxy that the doctor cannot use" in done.stdout
    assert "hush" not in done.stdout


def run(arguments, env):
    command = [sys.executable, "-m", "deploy.doctor", *arguments]
    kept = {"PATH": os.environ["PATH"]}
    return subprocess.run(command, cwd=ROOT, env=kept | env, capture_output=True, text=True)


def test_the_exit_status_says_whether_all_is_well(healthy, tmp_path):
    file = tmp_path / "env"
    file.write_text("".join(f'{name}="{value}"\n' for name, value in healthy.items()))
    done = run([str(file)], {"MOC_BUCKET": "not-this-one"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("0 wrong, 1 to look into")
    done = run([""], healthy | {"MAX_BATCH_SIZE": "0"})
    assert done.returncode == 1
    assert "MAX_BATCH_SIZE" in done.stdout
    assert run([str(tmp_path / "none")], {}).returncode == 2
