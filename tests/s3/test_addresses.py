"""One source of addresses: presigned URLs, fileUrl and the API's own calls lead where botocore says."""

import json
import re
import shutil
from pathlib import Path

import botocore
import pytest
from botocore.exceptions import BotoCoreError
from botocore.loaders import create_loader
from botocore.session import Session

from deploy.documents import document
from deploy.vercel_install import trim_botocore
from lib.runtime.config import Settings, SettingsError
from lib.s3.addresses import make_client
from lib.s3.bucket import Bucket
from tests.s3.test_bucket_on_moto import ENV

BUILTIN = Path(botocore.__file__).parent / "data"
ACCELERATE = "https://s3-accelerate.amazonaws.com"
VARIANTS = {
    "dual-stack": {"aws_use_dualstack_endpoint": True},
    "FIPS": {"aws_use_fips_endpoint": True},
    "both": {"aws_use_dualstack_endpoint": True, "aws_use_fips_endpoint": True},
    "accelerate": {},
}
SETTINGS = Settings.from_env(ENV)
R2 = "https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com"
SUPABASE = "https://ref.storage.supabase.co/storage/v1/s3"


def bucket(**settings):
    return Bucket(Settings.from_env(ENV | settings))


@pytest.fixture(autouse=True)
def no_other_settings(monkeypatch):
    for name in (
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_USE_FIPS_ENDPOINT",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"S3_REGION": "us-east-1"}, "https://bucket.s3.us-east-1.amazonaws.com"),
        ({"S3_REGION": "eu-central-1"}, "https://bucket.s3.eu-central-1.amazonaws.com"),
        ({"S3_REGION": "cn-north-1"}, "https://bucket.s3.cn-north-1.amazonaws.com.cn"),
        ({"S3_REGION": "cn-northwest-1"}, "https://bucket.s3.cn-northwest-1.amazonaws.com.cn"),
        ({"S3_REGION": "us-gov-west-1"}, "https://bucket.s3.us-gov-west-1.amazonaws.com"),
        ({"S3_REGION": "us-iso-east-1"}, "https://bucket.s3.us-iso-east-1.c2s.ic.gov"),
        ({"S3_REGION": "eusc-de-east-1"}, "https://bucket.s3.eusc-de-east-1.amazonaws.eu"),
        ({"S3_REGION": "ap-nowhere-9"}, "https://bucket.s3.ap-nowhere-9.amazonaws.com"),  # one to come
        ({"MOC_BUCKET": "www.example.com"}, "https://s3.eu-central-1.amazonaws.com/www.example.com"),
        ({"MOC_BUCKET": "a.b.c", "S3_REGION": "cn-north-1"}, "https://s3.cn-north-1.amazonaws.com.cn/a.b.c"),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "https://bucket.s3.dualstack.eu-central-1.amazonaws.com"),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "true", "S3_REGION": "cn-north-1"},
         "https://bucket.s3.dualstack.cn-north-1.amazonaws.com.cn"),
        ({"AWS_USE_FIPS_ENDPOINT": "true", "S3_REGION": "us-gov-west-1"},
         "https://bucket.s3-fips.us-gov-west-1.amazonaws.com"),
        ({"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true", "S3_REGION": "us-east-2"},
         "https://bucket.s3-fips.dualstack.us-east-2.amazonaws.com"),
        ({"S3_ADDRESSING_STYLE": "path"}, "https://s3.eu-central-1.amazonaws.com/bucket"),
        ({"S3_ADDRESSING_STYLE": "virtual"}, "https://bucket.s3.eu-central-1.amazonaws.com"),
        # Stores of others
        ({"S3_ENDPOINT_URL": "http://minio:9000"}, "http://minio:9000/bucket"),
        ({"S3_ENDPOINT_URL": "http://minio:9000", "MOC_BUCKET": "minio"}, "http://minio:9000/minio"),
        ({"S3_ENDPOINT_URL": "http://minio:9000/"}, "http://minio:9000/bucket"),
        ({"S3_ENDPOINT_URL": "http://[::1]:9000"}, "http://[::1]:9000/bucket"),
        ({"S3_ENDPOINT_URL": SUPABASE}, f"{SUPABASE}/bucket"),
        ({"S3_ENDPOINT_URL": "https://gateway.example.com/store/"}, "https://gateway.example.com/store/bucket"),
        ({"S3_ENDPOINT_URL": R2, "S3_REGION": "auto"}, f"{R2}/bucket"),
        ({"S3_ENDPOINT_URL": R2, "S3_REGION": "auto", "S3_ADDRESSING_STYLE": "virtual"},
         R2.replace("//", "//bucket.")),
        ({"S3_ENDPOINT_URL": "https://nyc3.digitaloceanspaces.com", "MOC_BUCKET": "nyc3"},
         "https://nyc3.digitaloceanspaces.com/nyc3"),
        ({"S3_ENDPOINT_URL": "https://oss-cn-hangzhou.aliyuncs.com", "S3_ADDRESSING_STYLE": "virtual"},
         "https://bucket.oss-cn-hangzhou.aliyuncs.com"),
        ({"S3_ENDPOINT_URL": "https://t3.storage.dev", "S3_REGION": "auto", "S3_ADDRESSING_STYLE": "virtual"},
         "https://bucket.t3.storage.dev"),
        ({"S3_ENDPOINT_URL": "https://cos.ap-singapore.myqcloud.com", "S3_ADDRESSING_STYLE": "virtual",
          "MOC_BUCKET": "uploads-1250000000"}, "https://uploads-1250000000.cos.ap-singapore.myqcloud.com"),
        ({"S3_ENDPOINT_URL": "https://vhcompat.objectstorage.eu-frankfurt-1.oci.customer-oci.com",
          "S3_ADDRESSING_STYLE": "virtual"},
         "https://bucket.vhcompat.objectstorage.eu-frankfurt-1.oci.customer-oci.com"),
        ({"S3_ENDPOINT_URL": "https://storage.googleapis.com", "S3_REGION": "auto"},
         "https://storage.googleapis.com/bucket"),
        ({"S3_ENDPOINT_URL": "https://s3.us-west-004.backblazeb2.com"},
         "https://s3.us-west-004.backblazeb2.com/bucket"),
        ({"S3_ENDPOINT_URL": "https://bucket.vpce-1a2b-3c4d.s3.us-east-1.vpce.amazonaws.com"},
         "https://bucket.vpce-1a2b-3c4d.s3.us-east-1.vpce.amazonaws.com/bucket"),
        # As AWS's own tools are told
        ({"AWS_ENDPOINT_URL_S3": "http://localhost:4566"}, "http://localhost:4566/bucket"),
        ({"AWS_ENDPOINT_URL": "http://localhost:4566"}, "http://localhost:4566/bucket"),
        ({"AWS_ENDPOINT_URL_S3": "http://a:1", "AWS_ENDPOINT_URL": "http://b:2"}, "http://a:1/bucket"),
        ({"AWS_ENDPOINT_URL_S3": "http://a:1", "S3_ENDPOINT_URL": "http://c:3"}, "http://c:3/bucket"),
        ({"AWS_ENDPOINT_URL_S3": "http://a:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
         "https://bucket.s3.eu-central-1.amazonaws.com"),
        # Clients go elsewhere than the API
        ({"S3_ENDPOINT_URL": "http://minio:9000", "S3_PUBLIC_ENDPOINT_URL": "https://files.example.com"},
         "https://files.example.com/bucket"),
        ({"S3_PUBLIC_ENDPOINT_URL": "https://s3-accelerate.amazonaws.com"},
         "https://bucket.s3-accelerate.amazonaws.com"),
        ({"S3_PUBLIC_ENDPOINT_URL": "https://s3-accelerate.dualstack.amazonaws.com"},
         "https://bucket.s3-accelerate.dualstack.amazonaws.com"),
        ({"S3_ENDPOINT_URL": "https://s3-accelerate.amazonaws.com"}, "https://bucket.s3-accelerate.amazonaws.com"),
        ({"S3_PUBLIC_ENDPOINT_URL": "https://files.example.com", "S3_ADDRESSING_STYLE": "virtual"},
         "https://bucket.files.example.com"),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else "",
)  # fmt: skip
def test_presigned_urls_and_file_urls_have_one_address(settings, url, monkeypatch):
    for name, value in settings.items():  # what botocore finds by itself
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    found = bucket(**settings)
    assert found.bucket_url == url
    assert found.object_url("a b/c.pdf") == f"{url}/a%20b/c.pdf"


def trimmed(folder):
    """Botocore's data as deploy/vercel_install.py leaves it."""
    for name in ("s3", "sts", "ec2"):
        shutil.copytree(BUILTIN / name, folder / name)
    for file in BUILTIN.glob("*.json"):
        shutil.copy(file, folder)
    trim_botocore(folder)
    assert not (folder / "ec2").exists()
    return folder


def regions():
    """Every region that botocore knows, each partition's own, and one to come."""
    partitions = json.loads((BUILTIN / "endpoints.json").read_text())["partitions"]
    by_partition = [sorted(partition["regions"]) for partition in partitions]
    assert len(by_partition) >= 8
    return [region for some in by_partition for region in some] + ["ap-nowhere-9"], by_partition


def addresses(data, monkeypatch):
    """Where all that we ask or presign goes, by region and variant; or what botocore refuses."""
    monkeypatch.setattr("botocore.session.create_loader", create_loader)  # not the kept one
    monkeypatch.setattr("botocore.loaders.Loader.BUILTIN_DATA_PATH", str(data))
    monkeypatch.setattr("botocore.loaders.Loader.CUSTOMER_DATA_PATH", str(data))
    session = Session()
    session.set_credentials("key", "secret")
    assert session.get_component("data_loader").search_paths[-1] == str(data)
    every, by_partition = regions()
    found = {}
    for region in every:
        found[region, "sts"] = session.create_client("sts", region_name=region).meta.endpoint_url
    for region, variant in [(region, "plain") for region in every] + [
        (some[0], variant) for some in by_partition for variant in VARIANTS
    ]:
        settings = SETTINGS.model_copy(update={"s3_region": region} | VARIANTS.get(variant, {}))
        endpoint = ACCELERATE if variant == "accelerate" else None
        found[region, variant] = presigned(session, settings, endpoint)
    return found


def presigned(session, settings, endpoint):
    """Of a usual and a dotted bucket, without what differs from second to second."""
    try:
        client = make_client(session, settings, endpoint)
        urls = [
            client.generate_presigned_url("put_object", {"Bucket": name, "Key": "k"})
            for name in ("bucket", "a.dotted.bucket")
        ]
    except BotoCoreError as refusal:  # such as dual-stack where there is none
        return [str(refusal)]
    return [re.sub(r"X-Amz-(Date|Signature)=\w+|(?<=%2F)20\d{6}(?=%2F)", "", url) for url in urls]


def test_the_trimmed_bundle_resolves_the_same(monkeypatch, tmp_path):
    """In every region of every partition: partitions need no more of botocore's data than that."""
    whole = addresses(BUILTIN, monkeypatch)
    assert whole["cn-north-1", "plain"][0].startswith("https://bucket.s3.cn-north-1.amazonaws.com.cn/")
    assert whole["us-gov-east-1", "FIPS"][0].startswith("https://bucket.s3-fips.us-gov-east-1.amazon")
    assert whole["us-gov-west-1", "sts"] == "https://sts.us-gov-west-1.amazonaws.com"
    assert addresses(trimmed(tmp_path), monkeypatch) == whole


def test_the_public_base_url_comes_first():
    assert bucket(PUBLIC_BASE_URL="https://cdn.example.com/").object_url("k") == "https://cdn.example.com/k"


def test_addresses_need_no_credentials(monkeypatch):
    """`GET …/sessions/:id` has file URLs also while no credentials are to be had."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    found = bucket(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert found.object_url("k") == "https://bucket.s3.eu-central-1.amazonaws.com/k"


@pytest.mark.parametrize(
    "endpoint",
    ["http://minio:9000/bucket", "http://minio:9000/bucket/", "https://gateway.example.com/store/bucket",
     f"{SUPABASE}/bucket", R2 + "/bucket", R2.replace("//", "//bucket."),
     "https://bucket.s3.eu-west-1.amazonaws.com", "https://BUCKET.s3.amazonaws.com",
     "https://bucket.s3.dualstack.eu-west-1.amazonaws.com", "https://bucket.s3.cn-north-1.amazonaws.com.cn",
     "https://bucket.s3-accelerate.amazonaws.com", "https://bucket.nyc3.digitaloceanspaces.com",
     "https://bucket.s3.us-west-004.backblazeb2.com", "https://bucket.s3.wasabisys.com",
     "https://bucket.s3.eu-central-2.wasabisys.com", "https://bucket.oss-cn-hangzhou.aliyuncs.com",
     "https://bucket.s3.fr-par.scw.cloud", "https://bucket.fsn1.your-objectstorage.com",
     "http://bucket.s3.localhost.localstack.cloud:4566", "https://bucket.storage.yandexcloud.net",
     "https://bucket.sos-ch-gva-2.exo.io", "https://bucket.gateway.storjshare.io", "https://bucket.s3.filebase.com",
     "https://bucket.s3.us-south.cloud-object-storage.appdomain.cloud",
     "https://bucket.nyc3.digitaloceanspaces.com.", "https://bucket.s3-eu-central-1.ionoscloud.com",
     "https://bucket.s3.us-central-1.ionoscloud.com", "https://bucket.o0m5.va.idrivee2-26.com",
     "https://bucket.s3.us-west-1.idrivee2-1.com", "https://bucket.obs.cn-north-4.myhuaweicloud.com",
     "https://bucket.s3.dal.us.cloud-object-storage.appdomain.cloud", "https://bucket.eu2.contabostorage.com",
     "https://bucket.vhcompat.objectstorage.eu-frankfurt-1.oci.customer-oci.com",
     "https://bucket.tenancy.compat.objectstorage.us-ashburn-1.oraclecloud.com",
     "https://bucket.s3.gra.cloud.ovh.net", "https://bucket.storage.us-central1.rep.googleapis.com",
     "https://bucket.cn-hangzhou.oss.aliyuncs.com", "https://bucket.cos.ap-guangzhou.tencentcos.cn",
     "https://bucket.oos.eu-west-2.outscale.com", "https://bucket.s3.eu-paris-1.megas4.com",
     "https://bucket.us-east-1.object.fastlystorage.app", "https://bucket.eu-001.s3.synologyc2.net",
     # Of another bucket than MOC_BUCKET, whose name would become the beginning of each key
     "https://other.s3.eu-west-1.amazonaws.com", "https://my.other.fly.storage.tigris.dev",
     R2.replace("//", "//other.")],
)  # fmt: skip
@pytest.mark.parametrize("name", ["S3_ENDPOINT_URL", "S3_PUBLIC_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_an_endpoint_that_holds_the_bucket_is_refused(name, endpoint):
    with pytest.raises(SettingsError, match="must not hold the bucket"):
        bucket(**{name: endpoint})


@pytest.mark.parametrize("name", ["S3_ENDPOINT_URL", "S3_PUBLIC_ENDPOINT_URL", "PUBLIC_BASE_URL",
                                  "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_S3"])  # fmt: skip
@pytest.mark.parametrize(
    "user", ["user:pass-word@", "user@", "user:p@ss-word@", "@", ":pass-word@", "us%65r:pass%2Dword@"]
)
def test_user_info_is_refused_and_not_shown(name, user):
    with pytest.raises(SettingsError, match="without a user name") as refusal:
        bucket(**{name: f"https://{user}store.example.com:9000"})
    assert "word" not in str(refusal.value).replace("password", "")
    assert name.replace("AWS_ENDPOINT_URL_S3", "S3_ENDPOINT_URL") in str(refusal.value)


@pytest.mark.parametrize(
    "url", ["ftp://store", "store:9000", "https://", "https://:9000", "https://store:port", "https://store:99999",
            "https://sto re", "https://[::1", "https://store?x=1", "https://store#x", "https://user:12/word@store",
            "https://store:", "https://store:/path"],
)  # fmt: skip
def test_an_endpoint_that_is_none_is_named_and_not_shown(url):
    with pytest.raises(SettingsError, match="S3_ENDPOINT_URL") as refusal:
        bucket(S3_ENDPOINT_URL=url)
    for word in ("store", "word", "99999", "sto re", "::1"):
        assert word not in str(refusal.value).replace("password", "")


@pytest.mark.parametrize("host", ["my_minio", "-bad", "bad-", "a..b", "münchen", "x" * 64])
@pytest.mark.parametrize("name", ["S3_ENDPOINT_URL", "S3_PUBLIC_ENDPOINT_URL"])
def test_a_host_that_botocore_refuses_is_a_settings_error(name, host):
    with pytest.raises(SettingsError, match=f"^{name}: must have a host of letters"):
        bucket(**{name: f"http://{host}:9000"})


@pytest.mark.parametrize("host", ["minio", "s3.example.com.", "127.0.0.1", "[::1]", "1a", "a--b"])
def test_a_valid_host_is_taken(host):
    assert bucket(S3_ENDPOINT_URL=f"http://{host}:9000").bucket_url.startswith(f"http://{host}:9000/")


@pytest.mark.parametrize(
    ("given", "written"),
    [("http://MinIO:9000", "http://minio:9000"), ("HTTPS://Store.Example.COM/", "https://store.example.com"),
     ("http://[0:0:0:0:0:0:0:1]:9000", "http://[::1]:9000"), ("http://[FD00::A]", "http://[fd00::a]"),
     ("http://minio:09000", "http://minio:9000"),
     ("https://Gateway.example.com/Store//", "https://gateway.example.com/Store")],
)  # fmt: skip
@pytest.mark.parametrize("name", ["S3_ENDPOINT_URL", "S3_PUBLIC_ENDPOINT_URL"])
def test_an_endpoint_is_written_as_browsers_write_it(name, given, written):
    """The host is signed: curl names `MinIO` to the store, a browser `minio`, and both `[::1]`."""
    assert bucket(**{name: given}).bucket_url == f"{written}/bucket"


@pytest.mark.parametrize(
    "path", ["/a/../b", "/a/.", "/./a", "/störe", "/a|b", "/a\\b", '/"', "/{a}", "/a/%2e%2E/b"]
)
@pytest.mark.parametrize("name", ["S3_ENDPOINT_URL", "S3_PUBLIC_ENDPOINT_URL"])
def test_a_path_that_clients_would_change_is_a_settings_error(name, path):
    with pytest.raises(SettingsError, match=f"^{name}: must have a path that is percent-encoded") as refusal:
        bucket(**{name: f"https://gateway.example.com{path}"})
    assert path not in str(refusal.value)


@pytest.mark.parametrize("region", ["1", "2026", "-eu", "eu-", "e" * 64])
def test_a_region_that_botocore_refuses_is_a_settings_error(region):
    with pytest.raises(SettingsError, match=r"^S3_REGION: must be a region's name"):
        bucket(S3_REGION=region, S3_ENDPOINT_URL="https://store.example.com")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"S3_ADDRESSING_STYLE": "host"}, "S3_ADDRESSING_STYLE"),
        ({"S3_ADDRESSING_STYLE": "path", "S3_ENDPOINT_URL": "https://s3-accelerate.amazonaws.com"},
         "S3_ENDPOINT_URL: is S3 Transfer Acceleration"),
        ({"MOC_BUCKET": "a.b.c", "S3_PUBLIC_ENDPOINT_URL": "https://s3-accelerate.amazonaws.com"},
         "S3_PUBLIC_ENDPOINT_URL: is S3 Transfer Acceleration"),
        ({"MOC_BUCKET": "Uploads", "S3_PUBLIC_ENDPOINT_URL": "https://s3-accelerate.amazonaws.com"},
         "S3_PUBLIC_ENDPOINT_URL: is S3 Transfer Acceleration"),
        ({"S3_REGION": "cn-north-1", "S3_PUBLIC_ENDPOINT_URL": "https://s3-accelerate.amazonaws.com"},
         "which there is not in S3_REGION"),
        ({"S3_REGION": "US-Gov-West-1", "S3_ENDPOINT_URL": "https://s3-accelerate.dualstack.amazonaws.com"},
         "which there is not in S3_REGION"),
        ({"S3_REGION": "cn-north-1", "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x"},
         "AWS_ROLE_ARN: must begin with arn:aws-cn:"),
        ({"S3_REGION": "eu-west-1", "AWS_ROLE_ARN": "arn:aws-us-gov:iam::123456789012:role/x"},
         "AWS_ROLE_ARN: must begin with arn:aws:"),
        ({"S3_SSE": "md5"}, "S3_SSE"),
        ({"S3_SSE_KMS_KEY_ID": "alias/uploads"}, "S3_SSE_KMS_KEY_ID: needs S3_SSE"),
        ({"S3_SSE_KMS_KEY_ID": "alias/uploads", "S3_SSE": "AES256"}, "S3_SSE_KMS_KEY_ID: needs S3_SSE"),
        ({"AWS_USE_FIPS_ENDPOINT": "true", "S3_ENDPOINT_URL": "http://minio:9000"}, "AWS_USE_FIPS_ENDPOINT"),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_ENDPOINT_URL_S3": "http://a:1"},
         "AWS_USE_DUALSTACK_ENDPOINT"),
    ],
)  # fmt: skip
def test_settings_that_do_not_go_together(settings, text):
    with pytest.raises(SettingsError, match=text):
        bucket(**settings)


def test_the_partition_of_a_role_is_that_of_the_region():
    role = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x"}
    for partition in json.loads((BUILTIN / "endpoints.json").read_text())["partitions"]:
        arn = role["AWS_ROLE_ARN"].replace("aws", partition["partition"], 1)
        for region in partition["regions"].keys() - {"aws-global"}:
            assert bucket(S3_REGION=region, AWS_ROLE_ARN=arn)
    assert bucket(S3_REGION="cn-north-1", S3_ENDPOINT_URL="https://store.example.com", **role)


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-central-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"),
     ("us-iso-east-1", "aws-iso"), ("eusc-de-east-1", "aws-eusc"), ("auto", "aws"), ("", "aws"),
     ("CN-North-1", "aws-cn"), (" us-gov-east-1\n", "aws-us-gov")],
)  # fmt: skip
def test_the_documents_of_deploy_know_the_partition(region, partition):
    env = {"MOC_BUCKET": "bucket", "S3_REGION": region, "AWS_ACCOUNT_ID": "1", "VERCEL_TEAM": "t",
           "VERCEL_PROJECT": "p"}  # fmt: skip
    told = json.dumps([document("iam-policy", env), document("oidc-trust-policy", env)])
    assert told.count(f'"arn:{partition}:') == told.count('"arn:') == 5
