"""azure-storage-blob, the vendor's SDK, drives the sandbox's Azure: what it does not notice, our adapter may rely on."""

import gzip
import time

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContentSettings, StandardBlobTier, generate_account_sas

from oms_adapters.sandbox import Answer, Fault, Match, Sandbox

ODD = [
    "a//b",
    "/lead",
    "dir/",
    "a+b %41 100%",
    "tab\there",
    "中文/😀",
    "q?a=b&c#d;e",
    "ctl\x10x",
    "quote\"'<>",
    "~*!()",
]


@pytest.fixture(scope="module")
def cloud():
    """An Azure."""
    with Sandbox(clouds=["azure"]) as running:
        running.azure.restore_seconds = 0.3
        yield running.azure


@pytest.fixture(scope="module")
def service(cloud):
    """The SDK's client, which tries nothing twice."""
    keys = {"account_name": cloud.access_key, "account_key": cloud.secret_key}
    with BlobServiceClient(f"{cloud.url}/{cloud.access_key}", credential=keys, retry_total=0) as client:
        yield client


@pytest.fixture
def container(service, request):
    """A new container."""
    name = f"c{abs(hash(request.node.name)):x}"
    service.create_container(name)
    return service.get_container_client(name)


def test_containers(service, container):
    """Containers are created, refused the second time, listed and stated."""
    with pytest.raises(ResourceExistsError):
        service.create_container(container.container_name)
    assert container.container_name in [found.name for found in service.list_containers()]
    assert container.exists()
    with pytest.raises(ResourceNotFoundError) as caught:
        service.get_container_client("missing").get_container_properties()
    assert caught.value.error_code == "ContainerNotFound"


@pytest.mark.parametrize("name", ODD)
def test_odd_names(container, name):
    """Names come back as they were given, also such as XML cannot hold."""
    container.upload_blob(name, b"body", content_settings=ContentSettings(content_type="a/b"), metadata={"a_b": "c d"})
    blob = container.get_blob_client(name)
    assert blob.download_blob().readall() == b"body"
    properties = blob.get_blob_properties()
    assert (properties.size, properties.metadata) == (4, {"a_b": "c d"})
    (listed,) = container.list_blobs()
    assert (listed.name, listed.size, listed.etag) == (name, 4, properties.etag.strip('"'))
    blob.delete_blob()
    assert list(container.list_blob_names()) == []


def test_listing_pages_and_starts(container):
    """Pages of any length hold all names in order; start_from includes its name; prefixes hold."""
    names = sorted(f"n/{number:03}" for number in range(25))
    for name in names:
        container.upload_blob(name, b"")
    pages = container.list_blobs(name_starts_with="n/", results_per_page=7).by_page()
    assert [[blob.name for blob in page] for page in pages] == [names[i : i + 7] for i in range(0, 25, 7)]
    assert list(container.list_blob_names(start_from="n/010")) == names[10:]
    assert list(container.list_blob_names(start_from="n/0105", results_per_page=4)) == names[11:]


def test_reads(container):
    """Ranges, conditions and stored encodings are answered as the SDK expects them."""
    body = gzip.compress(bytes(range(256)) * 50, mtime=0)
    container.upload_blob("g", body, content_settings=ContentSettings(content_encoding="gzip"))
    blob = container.get_blob_client("g")
    assert blob.download_blob(offset=5, length=10, decompress=False).readall() == body[5:15]
    assert blob.download_blob(decompress=False).readall() == body
    etag = blob.get_blob_properties().etag
    container.upload_blob("g", b"other", overwrite=True)
    with pytest.raises(ResourceModifiedError) as caught:
        blob.download_blob(etag=etag, match_condition=MatchConditions.IfNotModified)
    assert caught.value.error_code == "ConditionNotMet"
    with pytest.raises(HttpResponseError) as caught:
        blob.download_blob(offset=50, length=1)
    assert caught.value.status_code == 416


def test_blocks(container):
    """Blocks are staged, listed and committed in the order of the list; what is not there is refused."""
    blob = container.get_blob_client("blocks")
    for name, body in (("b", b"2"), ("a", b"1")):
        blob.stage_block(name, body)
    assert sorted((block.id, block.size) for block in blob.get_block_list("uncommitted")[1]) == [("a", 1), ("b", 1)]
    blob.commit_block_list(["a", "b"], content_settings=ContentSettings(content_type="x/y"), metadata={"m": "1"})
    assert blob.download_blob().readall() == b"12"
    assert blob.get_blob_properties().content_settings.content_type == "x/y"
    with pytest.raises(HttpResponseError) as caught:
        blob.commit_block_list(["a"])
    assert caught.value.error_code == "InvalidBlockList"


def test_content_md5(container):
    """The MD5 of a blob stored at once is kept and stated; a wrong one is refused."""
    container.upload_blob("m", b"body", validate_content=True)
    digest = container.get_blob_client("m").get_blob_properties().content_settings.content_md5
    assert bytes(digest).hex() == "841a2d689ad86bd1611447453c22c6fc"


def test_rehydration_takes_its_time(container):
    """An archived blob is refused, pends once asked for, and is hot for good when that ended."""
    container.upload_blob("cold", b"body", standard_blob_tier=StandardBlobTier.ARCHIVE)
    blob = container.get_blob_client("cold")
    with pytest.raises(HttpResponseError) as caught:
        blob.download_blob()
    assert caught.value.error_code == "BlobArchived"
    blob.set_standard_blob_tier(StandardBlobTier.COOL, rehydrate_priority="High")
    properties = blob.get_blob_properties()
    assert (properties.blob_tier, properties.archive_status) == ("Archive", "rehydrate-pending-to-cool")
    assert next(iter(container.list_blobs())).archive_status == "rehydrate-pending-to-cool"
    with pytest.raises(HttpResponseError) as caught:
        blob.set_standard_blob_tier(StandardBlobTier.COOL)
    assert caught.value.error_code == "BlobBeingRehydrated"
    time.sleep(0.4)
    assert (blob.get_blob_properties().blob_tier, blob.download_blob().readall()) == ("Cool", b"body")
    blob.set_standard_blob_tier(StandardBlobTier.COLD)
    assert blob.get_blob_properties().blob_tier == "Cold"


def test_wrong_keys_and_tokens(cloud, container):
    """A wrong key, an unknown account and a SAS token without the right are refused with Azure's codes."""
    wrong = {"account_name": cloud.access_key, "account_key": "bm90IHRoZSBrZXk="}
    url = f"{cloud.url}/{cloud.access_key}"
    with BlobServiceClient(url, credential=wrong, retry_total=0) as client, pytest.raises(HttpResponseError) as caught:
        list(client.list_containers())
    assert caught.value.error_code == "AuthenticationFailed"
    sas = generate_account_sas(cloud.access_key, cloud.secret_key, "sco", "r", "2099-01-01T00:00:00Z", services="b")
    with BlobServiceClient(url, credential=sas, retry_total=0) as client:
        with pytest.raises(HttpResponseError) as caught:
            list(client.get_container_client(container.container_name).list_blobs())
        assert caught.value.error_code == "AuthorizationPermissionMismatch"


def test_a_busy_service(cloud, container):
    """Faults speak Azure's words."""
    cloud.faults.add(Fault(Match(operation="HeadObject"), Answer("SlowDown"), times=1))
    with pytest.raises(HttpResponseError) as caught:
        container.get_blob_client("x").get_blob_properties()
    assert (caught.value.status_code, caught.value.error_code) == (503, "ServerBusy")
