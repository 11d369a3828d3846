"""Every cloud from the command line's side: schemes, variables, options, regions, and what is said of mistakes."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters import registry
from oms_adapters.registry import BUILTIN, adapter_for
from oms_engine.errors import ConfigError
from oms_engine.model import Credentials, Secret
from openoms import clouds
from openoms.clouds import CLOUDS, URL_SOURCE, cloud_of_scheme, cloud_of_type, known_regions
from openoms.configfile import parse_config
from openoms.plan import build_plan
from openoms.preflight import judge, region_known, unknown_region_or_none
from openoms.settings import Settings, SideOptions
from openoms.sources import parse_options
from openoms.taskjson import parse_task
from openoms.urls import parse_url

SCHEMES = [cloud.scheme for cloud in CLOUDS]
OURS = {f"OPENOMS_{side}_{part}": "the-secret" for side in ("SOURCE", "DESTINATION") for part in ("AK", "SK")}


def plan_of(source, destination="obs://archive", environ=None, **options):
    """Return a plan between two places."""
    return build_plan(source, destination, Settings(environ or OURS), {"destination_region": "cn-north-4", **options})


def side_of(scheme, environ, file=None, **options):
    """Settle a source of a cloud."""
    settings = Settings(environ, file or parse_config({}))
    return settings.side("source", parse_url(f"{scheme}://bucket-1250000000"), SideOptions(**options))


def test_the_table_is_that_of_the_shipped_adapters():
    """Every adapter has its line and every line its adapter, under the same scheme and cloud type."""
    shipped = {adapter_for(name).scheme: adapter_for(name).cloud_type for name in BUILTIN}
    assert {cloud.scheme: cloud.cloud_type for cloud in CLOUDS} == {
        scheme: cloud_type for scheme, cloud_type in shipped.items() if cloud_type != URL_SOURCE
    }


@pytest.mark.parametrize("cloud", CLOUDS, ids=SCHEMES)
def test_the_table_cites_its_source_and_names_no_variable_twice(cloud):
    """A vendor's page for every cloud; one variable belongs to one cloud."""
    assert cloud.source.startswith("https://")
    names = [
        name
        for other in CLOUDS
        for keys in other.keys
        for name in (keys.access, keys.secret, keys.token, keys.connection_string, keys.json_auth_file)
        if name
    ]
    assert len(names) == len(set(names))
    assert known_regions(cloud.cloud_type)


@pytest.mark.parametrize("cloud", CLOUDS, ids=SCHEMES)
def test_the_readme_names_every_cloud_as_the_table_does(cloud):
    """Scheme, cloud type and the vendor's variables stand in one row of the README's table of clouds."""
    readme = Path(__file__).parents[3].joinpath("README.md").read_text(encoding="utf-8")
    [row] = [line for line in readme.splitlines() if f"| {cloud.cloud_type} | `{cloud.scheme}://" in line]
    keys = cloud.keys[0]
    for name in (keys.access, keys.secret, keys.token, keys.connection_string, keys.json_auth_file):
        assert name in row


@pytest.mark.parametrize("cloud", CLOUDS, ids=SCHEMES)
def test_what_the_table_says_of_archives_is_what_the_adapter_does(cloud):
    """A cloud that archives nothing needs no restore; its adapter restores nothing."""
    region = known_regions(cloud.cloud_type)[0]
    keys = Credentials("", Secret(SERVICE_ACCOUNT)) if cloud.scheme == "gs" else Credentials("name", Secret("a2V5"))
    store = adapter_for(cloud.scheme).open(side_of(cloud.scheme, {}, region=region, credentials=keys).store_config())
    if not cloud.archives:
        assert not store.capabilities.restore


@pytest.mark.parametrize("cloud", CLOUDS, ids=SCHEMES)
def test_the_vendors_own_variables_are_found(cloud, tmp_path):
    """Each set of variables makes credentials, and says where they were found."""
    path = tmp_path / "key.json"
    path.write_text("the-whole-key")
    for keys in cloud.keys:
        environ = {
            keys.access: "the-access",
            keys.secret: "the-key",
            **({keys.token: "the-token"} if keys.token else {}),
        }
        if keys.connection_string:
            environ = {keys.connection_string: "the-whole-key"}
        if keys.json_auth_file:
            environ = {keys.json_auth_file: str(path)}
        side = side_of(cloud.scheme, environ)
        whole = bool(keys.connection_string or keys.json_auth_file)
        assert side.credentials.secret_key.reveal() == ("the-whole-key" if whole else "the-key")
        assert side.credentials.access_key == ("" if whole else "the-access")
        assert (side.credentials.token is not None) == bool(keys.token)
        assert side.origin in environ


@given(st.sampled_from(SCHEMES), st.sampled_from(SCHEMES))
def test_no_cloud_takes_the_key_of_another(scheme, other):
    """A vendor's variables are never sent to another vendor."""
    variables = cloud_of_scheme(other).keys[-1]
    environ = {variables.access or "X": "a", variables.secret or "X": "b", variables.token or "X": "c"}
    environ |= {variables.json_auth_file or "X": __file__}
    if scheme == other:
        assert side_of(scheme, environ).origin in environ
        return
    with pytest.raises(ConfigError, match="no credentials"):
        side_of(scheme, environ)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_missing_credentials_name_all_that_would_do(scheme):
    """The sentence names our variables and the vendor's."""
    with pytest.raises(ConfigError) as caught:
        side_of(scheme, {})
    told = str(caught.value)
    assert "OPENOMS_SOURCE_AK and OPENOMS_SOURCE_SK" in told
    assert all(str(keys) in told for keys in cloud_of_scheme(scheme).keys)
    assert ("OPENOMS_SOURCE_CONNECTION_STRING" in told) == (scheme == "az")
    assert ("OPENOMS_SOURCE_JSON_AUTH_FILE" in told) == (scheme == "gs")


def test_credentials_that_are_one_text_come_from_our_variables_and_the_profile(tmp_path):
    """Connection string and key file: variable over profile, and only for their own cloud."""
    path = tmp_path / "key.json"
    path.write_text("from the file")
    file = parse_config(
        {
            "profiles": {
                "work": {"connection_string": "AccountName=p", "json_auth_file": str(path), "app_id": "12345678"}
            }
        }
    )
    assert side_of("az", {}, file, profile="work").credentials.secret_key.reveal() == "AccountName=p"
    assert side_of("gs", {}, file, profile="work").credentials.secret_key.reveal() == "from the file"
    environ = {"OPENOMS_SOURCE_CONNECTION_STRING": "AccountName=v"}
    assert side_of("az", environ, file, profile="work").credentials.secret_key.reveal() == "AccountName=v"
    with pytest.raises(ConfigError, match="no credentials"):
        side_of("s3", environ, file, profile="work")
    shown = repr(side_of("az", environ)) + repr(file)
    assert "AccountName" not in shown


def test_a_token_alone_is_a_credential_where_the_cloud_has_such():
    """A SAS with its account, an OAuth token by itself; elsewhere a lone token is none."""
    sas = side_of("az", {"OPENOMS_SOURCE_AK": "myaccount", "OPENOMS_SOURCE_TOKEN": "sv=1&sig=x"}).credentials
    assert (sas.access_key, bool(sas.secret_key), sas.token.reveal()) == ("myaccount", False, "sv=1&sig=x")
    named = side_of("az", {"AZURE_STORAGE_SAS_TOKEN": "sv=1&sig=x"}, account="myaccount").credentials
    assert named == sas
    assert side_of("gs", {"OPENOMS_SOURCE_TOKEN": "ya29"}).credentials.token.reveal() == "ya29"
    with pytest.raises(ConfigError, match="no credentials"):
        side_of("oss", {"OPENOMS_SOURCE_TOKEN": "x"})


@pytest.mark.parametrize("text", [None, b"\xff"])
def test_a_key_file_that_cannot_be_read_is_named_with_its_variable(tmp_path, text):
    """Missing, or no text: the variable and the path are told."""
    path = tmp_path / "key.json"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(ConfigError, match=r"GOOGLE_APPLICATION_CREDENTIALS: the key file .*key\.json cannot be read"):
        side_of("gs", {"GOOGLE_APPLICATION_CREDENTIALS": str(path)})


def test_an_option_of_one_cloud_is_refused_for_others():
    """``--source-app-id`` is Tencent's, ``--source-account`` Azure's; a variable meant for another run is passed over."""
    with pytest.raises(ConfigError, match="--source-app-id is for Tencent only; AWS"):
        side_of("s3", OURS, app_id="1250000000")
    with pytest.raises(ConfigError, match="--source-account is for Azure only"):
        side_of("cos", OURS, account="x")
    assert side_of("s3", {**OURS, "OPENOMS_SOURCE_APP_ID": "1250000000"}).extra == ()
    assert side_of("cos", {**OURS, "OPENOMS_SOURCE_APP_ID": "1250000000"}).extra == (("app_id", "1250000000"),)


def test_options_of_the_source_reach_its_adapter():
    """NAME=VALUE words become the adapter's options; unknown ones list the known, a word without = is refused."""
    plan = plan_of("cos://photos", source_region="ap-guangzhou", source_app_id="1250000000")
    assert dict(plan.source.store_config().extra) == {"app_id": "1250000000"}
    judge(plan)
    assert parse_options(["a=true", "b=x=y", "c=False"]) == (("a", True), ("b", "x=y"), ("c", False))
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        plan_of("cos://photos", source_options=["app_id"])
    with pytest.raises(ConfigError, match=r"unknown option 'no'.*known: etag_is_md5"):
        judge(plan_of("us3://photos", source_region="hk", source_options=["no=1"]))


def test_options_of_the_destination_reach_its_adapter():
    """A destination whose ETags look like MD5s and are none can be told so; its options are refused as the source's."""
    plan = plan_of("s3://photos", source_region="eu-central-1", destination_options=["etag_is_md5=false"])
    assert dict(plan.destination.store_config().extra) == {"etag_is_md5": False}
    assert dict(plan.source.store_config().extra) == {}
    judge(plan)
    with pytest.raises(ConfigError, match="--destination-option 'app_id' is no NAME=VALUE"):
        plan_of("cos://photos", destination_options=["app_id"])


@pytest.mark.parametrize("scheme", [cloud.scheme for cloud in CLOUDS if not cloud.destination])
def test_only_s3_and_obs_are_migrated_to(scheme):
    """Other clouds are sources, and the sentence says what a destination can be."""
    with pytest.raises(
        ConfigError, match=rf"{scheme}://bucket can only be a source: a destination is obs://, or s3://"
    ):
        plan_of("s3://photos", f"{scheme}://bucket", {**OURS, "OPENOMS_DESTINATION_AK": "x"})


def test_an_unknown_scheme_lists_the_known_ones_or_names_the_nearest():
    """``koddo`` is answered with ``kodo``."""
    with pytest.raises(ConfigError) as caught:
        parse_url("floppydisk://bucket")
    assert all(f"{scheme}://" in str(caught.value) for scheme in SCHEMES)
    with pytest.raises(ConfigError, match=r"did you mean kodo://"):
        parse_url("koddo://bucket")


THIRD_PARTY = """
from types import SimpleNamespace
from oms_engine.store import Capabilities, Endpoint

class Adapter:
    cloud_type, scheme = "MyCloud", "my"
    def open(self, config):
        endpoint = Endpoint("https", "my.example", 443)
        return SimpleNamespace(bucket=config.bucket, endpoint=endpoint, capabilities=Capabilities(restore=False))
    def endpoint_for(self, region): return f"https://{region}.my.example"
    def account(self, config): return None

ADAPTER = Adapter()
"""


@pytest.fixture
def third_party(tmp_path, monkeypatch):
    """An installed package of somebody else's that registers a cloud under the entry point."""
    (tmp_path / "my_cloud_of_a_test.py").write_text(THIRD_PARTY)
    information = tmp_path / "my_cloud-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: my-cloud\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[openoms.adapters]\nmycloud = my_cloud_of_a_test:ADAPTER\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    _forget()
    yield
    monkeypatch.undo()
    _forget()


def _forget():
    """Let packages be looked for anew."""
    importlib.invalidate_caches()
    for function in (*vars(registry).values(), clouds.others):
        if hasattr(function, "cache_clear"):
            function.cache_clear()


@pytest.mark.usefixtures("third_party")
def test_a_cloud_of_another_package_is_a_source_too():
    """Its scheme parses, its credentials come from our variables, its cloud type is known to task bodies and files."""
    plan = plan_of("my://photos/2024", source_region="somewhere")
    judge(plan)
    assert plan.source.store_config().cloud_type == "MyCloud"
    assert cloud_of_type("mycloud").scheme == "my"
    assert parse_config({"endpoints": {"MyCloud": {"r": "https://x"}}}).endpoints
    assert parse_task(json.dumps(body(cloud_type="MyCloud")), Settings()).source.url.scheme == "my"
    with pytest.raises(ConfigError, match="my://"):
        parse_url("floppydisk://bucket")


# ---- regions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cloud", CLOUDS, ids=SCHEMES)
def test_regions_of_the_table_are_known_and_others_list_them(cloud):
    """A word that is no region of a cloud is answered with all its regions."""
    for region in known_regions(cloud.cloud_type):
        assert region_known(side_of(cloud.scheme, OURS, region=region))
    source = f"{cloud.scheme}://bucket-1250000000"
    with pytest.raises(ConfigError) as caught:
        judge(plan_of(source, source_region="no region!", environ=OURS))
    assert caught.value.code == "OMS.0079"
    assert all(region in str(caught.value) for region in known_regions(cloud.cloud_type))


@pytest.mark.parametrize(
    ("scheme", "region"),
    [("oss", "oss-cn-hangzhou"), ("az", "West Europe"), ("gs", "EU"), ("ks3", "cn-beijing"), ("kodo", "CN-EAST-1")],
)
def test_regions_are_known_in_their_vendors_other_spellings(scheme, region):
    """Console names, labels of host names, capitals."""
    assert region_known(side_of(scheme, OURS, region=region))


def test_a_region_newer_than_the_table_is_let_through_on_the_command_line_only():
    """A task body names regions that OMS knows; an endpoint settles the matter in both."""
    judge(plan_of("s3://photos", source_region="eu-nowhere-9"))
    assert "did you mean 'eu-north-1'" in unknown_region_or_none(side_of("s3", OURS, region="eu-nort-1"))
    assert unknown_region_or_none(side_of("s3", OURS, region="eu-nort-1", endpoint="https://s3.example")) is None
    assert unknown_region_or_none(side_of("s3", OURS, region="eu-north-1")) is None
    with pytest.raises(ConfigError, match="did you mean 'eu-north-1'") as caught:
        judge(plan_of("s3://photos", source_region="eu-nort-1"), strict_regions=True)
    assert caught.value.code == "OMS.0079"
    with pytest.raises(ConfigError) as caught:
        judge(plan_of("s3://photos", source_region="eu-west-1", destination_region="cn-nowhere-1"), strict_regions=True)
    assert caught.value.code == "OMS.0080"
    judge(plan_of("s3://photos", source_region="eu-nort-1", source_endpoint="https://s3.example"), strict_regions=True)


# ---- task bodies ------------------------------------------------------------------------------------------------------


def service_account():
    """Return the text of a key file with a key of its own."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps(
        {"type": "service_account", "client_email": "a@b.test", "private_key": key.decode(), "project_id": "p",
         "token_uri": "https://oauth2.googleapis.com/token"}
    )  # fmt: skip


SERVICE_ACCOUNT = service_account()


def body(*, omit=(), whole=None, **source):
    """Return a task body with a source node like this."""
    node = {"region": "somewhere", "bucket": "photos", "ak": "the-ak", "sk": "the-secret", "object_key": [""], **source}
    destination = {"region": "cn-north-4", "bucket": "archive", "ak": "dst-ak", "sk": "dst-secret"}
    return {
        "src_node": {name: value for name, value in node.items() if name not in omit},
        "dst_node": destination,
        **(whole or {}),
    }


def parse(**source):
    """Parse a body with such a source."""
    return parse_task(json.dumps(body(**source)), Settings())


NO_KEYS = ("ak", "sk")


@pytest.mark.parametrize(
    "source",
    [
        {"cloud_type": "Tencent", "region": "ap-guangzhou", "app_id": "1250000000"},
        {"cloud_type": "tencent", "region": "ap-guangzhou", "bucket": "photos-1250000000"},
        {"cloud_type": "Azure", "region": "westeurope", "ak": "myaccount", "sk": "a2V5"},
        {"cloud_type": "Azure", "omit": (*NO_KEYS, "region"), "connection_string": "AccountName=abc;AccountKey=a2V5"},
        {"cloud_type": "Azure", "omit": ("sk", "region"), "ak": "myaccount", "security_token": "sv=1&sig=x"},
        {"cloud_type": "Google", "omit": (*NO_KEYS, "region"), "json_auth_file": SERVICE_ACCOUNT},
        {"cloud_type": "Google", "omit": ("region",), "ak": "GOOG1E", "sk": "hmac"},
        {"cloud_type": "KingsoftCloud", "region": "BEIJING"},
        {"cloud_type": "QingCloud", "region": "pek3b"},
        {"cloud_type": "Baidu", "region": "bj"},
        {"cloud_type": "Qiniu", "region": "cn-east-1"},
        {"cloud_type": "UCloud", "region": "cn-bj"},
        {"region": "cn-hangzhou"},
    ],
    ids=lambda source: source.get("cloud_type", "default"),
)
def test_every_form_of_source_node_becomes_a_plan(source):
    """OMS's fields of each cloud: app_id, connection_string, json_auth_file, keys, tokens; no secret shows."""
    plan = parse(**source)
    assert plan.source.url.cloud_type.lower() == source.get("cloud_type", "Aliyun").lower()
    assert not any(word in repr(plan) for word in ("the-secret", "dst-secret", "a2V5", "sig=x", "PRIVATE", "hmac"))


@pytest.mark.parametrize(
    ("source", "code", "told"),
    [
        ({"cloud_type": "AWSS"}, "OMS.0057", "did you mean 'AWS'? Known are: AWS, HuaweiCloud, Aliyun, Tencent, Azure"),
        ({"cloud_type": "Dropbox"}, "OMS.0057", "Known are: AWS"),
        ({"cloud_type": "AWS", "region": "eu-centrall-1"}, "OMS.0079", "did you mean 'eu-central-1'? Known are: af-south-1"),
        ({"cloud_type": "UCloud", "region": "mars"}, "OMS.0079", "cn-bj, cn-wlcb"),
        ({"cloud_type": "Tencent", "region": "ap-guangzhou"}, "OMS.1004", "src_node.app_id"),
        ({"cloud_type": "Tencent", "region": "ap-guangzhou", "app_id": "x1"}, "OMS.0057", "digits only"),
        ({"cloud_type": "AWS", "region": "eu-west-1", "app_id": "1250000000"}, "OMS.1003", "cloud_type Tencent only"),
        ({"cloud_type": "AWS", "region": "eu-west-1", "json_auth_file": "{}"}, "OMS.1003", "cloud_type Google only"),
        ({"cloud_type": "Google", "omit": NO_KEYS, "region": "EU", "json_auth_file": "{"}, "OMS.0057", "not JSON"),
        ({"cloud_type": "Google", "omit": NO_KEYS, "region": "EU", "json_auth_file": "[]"}, "OMS.0057", "no JSON object"),
        ({"cloud_type": "Google", "omit": NO_KEYS, "region": "EU", "json_auth_file": '{"type": "service_account"}'},
         "OMS.0057", "lacks client_email"),
        ({"cloud_type": "Google", "omit": NO_KEYS, "region": "EU"}, "OMS.0057", "OPENOMS_SOURCE_JSON_AUTH_FILE"),
        ({"cloud_type": "Azure", "omit": NO_KEYS, "region": "westeurope", "connection_string": "nothing"}, "OMS.0057",
         "storage account"),
        ({"cloud_type": "Azure", "omit": NO_KEYS, "region": "westeurope", "connection_string": "a=b;c=d"}, "OMS.0057",
         "AccountName and AccountKey"),
        ({"cloud_type": "Azure", "region": "westeurope", "bucket": "Photos"}, "OMS.0057", "cannot be a container"),
        ({"cloud_type": "Azure", "region": "cn-hangzhou"}, "OMS.0079", "Azure Blob Storage"),
        ({"cloud_type": "Qiniu", "omit": ("region",)}, "OMS.1004", "src_node.region"),
    ],
)  # fmt: skip
def test_a_bad_source_node_has_omss_code_and_a_remedy(source, code, told):
    """One sentence that lists what is known or says what is missing; nothing of a secret."""
    with pytest.raises(ConfigError) as caught:
        parse(**source)
    assert (caught.value.code, told in str(caught.value)) == (code, True), str(caught.value)
    assert "the-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("whole", "code"),
    [
        ({"consistency_check": "crc64"}, "OMS.1003"),
        ({"object_overwrite_mode": "CRC64_COMPARISON_OVERWRITE"}, "OMS.1003"),
        ({"enable_restore": True}, "S3M.0082"),
    ],
)
def test_what_a_cloud_cannot_do_is_refused(whole, code):
    """CRC-64 of a cloud that states none, restores of one that cannot be asked for them."""
    with pytest.raises(ConfigError) as caught:
        parse(cloud_type="Baidu", region="bj", whole=whole)
    assert caught.value.code == code
    parse(cloud_type="Aliyun", region="cn-hangzhou", whole=whole)


@pytest.mark.parametrize(("scheme", "days"), [("ks3", 7), ("kodo", 7), ("obs", 30), ("s3", 365), ("cos", 365)])
def test_restores_are_as_long_as_the_cloud_allows(scheme, days):
    """The longest life of a restored copy is the vendor's."""
    source = f"{scheme}://photos"
    assert plan_of(source, restore=True, restore_days=days, source_region="r").spec.restore.days == days
    with pytest.raises(ConfigError, match=f"1 to {days} days"):
        plan_of(source, restore=True, restore_days=days + 1, source_region="r")
