"""Every cloud is a source on the command line: schemes, variables, options, and what is said of mistakes."""

import pytest

from oms_adapters.registry import BUILTIN, adapter_for
from oms_engine.errors import ConfigError
from openoms.compose import openers, store_config
from openoms.plan import build_plan, parse_options
from openoms.settings import Settings, SideOptions
from openoms.urls import CLOUD_OF_SCHEME, parse_url

KEYS = {
    "OPENOMS_SOURCE_AK": "ak",
    "OPENOMS_SOURCE_SK": "the-secret",
    "OPENOMS_DESTINATION_AK": "ak",
    "OPENOMS_DESTINATION_SK": "the-secret",
}


def plan_of(source, destination="obs://archive", environ=None, **options):
    """Return a plan between two places."""
    return build_plan(source, destination, Settings(environ or KEYS), {"destination_region": "cn-north-4", **options})


def test_schemes_are_those_of_the_shipped_adapters():
    """The table of schemes says what the adapters say of themselves."""
    assert {adapter_for(name).scheme: adapter_for(name).cloud_type for name in BUILTIN} == CLOUD_OF_SCHEME


@pytest.mark.parametrize(
    ("source", "region", "host"),
    [
        ("ks3://bucket/a", "BEIJING", "bucket.ks3-cn-beijing.ksyuncs.com"),
        ("kodo://bucket", "cn-east-1", "s3.cn-east-1.qiniucs.com"),
        ("us3://bucket", "hk", "s3-hk.ufileos.com"),
        ("oss://bucket", "cn-hangzhou", "bucket.oss-cn-hangzhou.aliyuncs.com"),
    ],
)
def test_a_source_of_another_cloud_is_opened(source, region, host):
    """A scheme leads to its adapter and, with the region, to the vendor's endpoint."""
    opened, _, _ = openers(plan_of(source, source_region=region))
    assert opened().endpoint.host == host


def test_only_s3_and_obs_are_migrated_to():
    """Other clouds are sources, and the sentence says what a destination can be."""
    with pytest.raises(ConfigError, match=r"cos://bucket can only be a source.*obs:// or s3://"):
        plan_of("s3://photos", "cos://bucket")


def test_an_unknown_scheme_lists_the_known_ones():
    """All schemes are named, or the nearest one."""
    with pytest.raises(ConfigError) as caught:
        parse_url("floppydisk://bucket")
    assert all(f"{scheme}://" in str(caught.value) for scheme in CLOUD_OF_SCHEME)
    with pytest.raises(ConfigError, match=r"did you mean kodo://"):
        parse_url("koddo://bucket")


@pytest.mark.parametrize(
    ("source", "region", "told"),
    [
        ("ks3://bucket", "mars!", "known: BEIJING, SHANGHAI"),
        ("bos://bucket", None, "needs its region"),
        ("cos://photos", "ap-guangzhou", "app_id"),
        ("qingstor://bucket", "PEK!", "known: pek3a"),
    ],
)
def test_a_bad_place_is_one_sentence_with_its_remedy(source, region, told):
    """Regions that are none list those known; a Tencent bucket without its APPID says what is missing."""
    opened, _, _ = openers(plan_of(source, source_region=region))
    with pytest.raises(ConfigError) as caught:
        opened()
    assert told in str(caught.value)


def test_options_of_the_source_reach_its_adapter():
    """NAME=VALUE words become the adapter's options; unknown ones list the known, a word without = is refused."""
    plan = plan_of("cos://photos", source_region="ap-guangzhou", source_options=["app_id=1250000000"])
    assert openers(plan)[0]().bucket == "photos-1250000000"
    assert parse_options(["a=true", "b=x=y", "c=False"]) == (("a", True), ("b", "x=y"), ("c", False))
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        plan_of("cos://photos", source_options=["app_id"])
    wrong = plan_of("us3://photos", source_region="hk", source_options=["app_id=1"])
    with pytest.raises(ConfigError, match=r"unknown option 'app_id'.*known: etag_is_md5"):
        openers(wrong)[0]()


def test_credentials_that_are_one_text(tmp_path):
    """Google's key file and Azure's connection string are found where the vendors' own tools find them."""
    key = tmp_path / "key.json"
    key.write_text('{"private_key": "the-secret"}')
    google = Settings({"GOOGLE_APPLICATION_CREDENTIALS": str(key)})
    found = google.side("source", parse_url("gs://bucket"), SideOptions())
    assert found.credentials.secret_key.reveal() == key.read_text()
    assert "the-secret" not in repr(found)
    azure = Settings({"AZURE_STORAGE_CONNECTION_STRING": "AccountName=a;AccountKey=the-secret"})
    found = azure.side("source", parse_url("az://bucket"), SideOptions())
    assert found.credentials.secret_key.reveal().startswith("AccountName")
    assert store_config(found).cloud_type == "Azure"
    with pytest.raises(ConfigError, match="cannot be read"):
        Settings({"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/key.json"}).side(
            "source", parse_url("gs://bucket"), SideOptions()
        )


@pytest.mark.parametrize(
    ("scheme", "named"),
    [("ks3", "OPENOMS_SOURCE_AK"), ("oss", "OSS_ACCESS_KEY_ID"), ("gs", "GOOGLE_APPLICATION_CREDENTIALS")],
)
def test_missing_credentials_name_what_to_set(scheme, named):
    """The sentence names our variables, and the vendor's where it has some."""
    with pytest.raises(ConfigError, match=named):
        Settings({}).side("source", parse_url(f"{scheme}://bucket"), SideOptions())
