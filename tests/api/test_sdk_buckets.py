"""The official SDK looks into buckets of sandbox clouds through a real service."""

import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkoms import v2 as sdk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def client(service):
    """Alice with the SDK."""
    return service.client(service.users.alice)


def listing(client, world, folder, after="", size=100):
    """Ask for one page of a folder."""
    body = sdk.ShowBucketReq(
        cloud_type="AWS", **world.src_keys, data_center=world.src_node["region"], bucket_name=world.source.name,
        file_path=folder, page_size=size, behind_filename=after,
    )  # fmt: skip
    return client.show_bucket_objects(sdk.ShowBucketObjectsRequest(body=body))


def walk(client, world, folder, size):
    """Follow the pages as Terraform's provider does: until there is no marker."""
    found, after = [], ""
    while True:
        page = listing(client, world, folder, after, size)
        assert len(page.records) <= size
        assert page.next_page == (page.next_marker is not None)
        found += [(record.name, record.size) for record in page.records]
        if not page.next_marker:
            return found
        after = page.next_marker


def folded(keys, folder):
    """What a folder holds, by another way of counting."""
    inside = [key[len(folder) :] for key in keys if key.startswith(folder) and key != folder]
    names = {name.split("/")[0] + ("/" if "/" in name else "") for name in inside}
    return sorted((folder + name for name in names), key=lambda name: name.encode())


def test_buckets_of_an_account(client, world):
    """The names of all buckets of the keys."""
    for cloud, keys, name in (
        ("AWS", world.src_keys, world.source.name),
        ("HEC", world.dst_keys, world.destination.name),
    ):
        body = sdk.ListBucketsReq(cloud_type=cloud, **keys)
        assert name in client.show_bucket_list(sdk.ShowBucketListRequest(body=body)).body


def test_the_region_of_a_bucket(client, world):
    """The region of a bucket, which can be migrated from."""
    body = sdk.ShowBucketRegionReq(cloud_type="AWS", **world.src_keys, bucket_name=world.source.name)
    found = client.show_bucket_region(sdk.ShowBucketRegionRequest(body=body))
    assert (found.id, found.name, found.support) == (world.src_node["region"], world.src_node["region"], True)


def test_sizes_are_for_people(client, world):
    """An object has a size with a unit, a folder ``--``."""
    world.source.put_many([("a/x", b"1"), ("b", bytes(77_166)), ("c", b"")])
    assert walk(client, world, "/", 100) == [("a/", "--"), ("b", "75.36 KB"), ("c", "0 B")]


segment = st.text("ab/-0é", min_size=1, max_size=6).filter(lambda text: not text.startswith("/") and "//" not in text)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(segment, min_size=1, max_size=12), st.sampled_from(["", "a/", "a/b/", "zz/"]), st.integers(1, 5))
def test_pages_of_a_folder_hold_each_entry_once(client, sandbox, world, keys, folder, size):
    """Whatever keys and page size: the pages together are the folder's entries, in order, each once."""
    world.source = sandbox.s3.create_bucket(f"{world.source.name[:40]}-{abs(hash((frozenset(keys), folder, size)))}")
    world.source.put_many((key, b"") for key in keys)
    assert [name for name, _ in walk(client, world, folder, size)] == folded(keys, folder)


def test_a_folder_of_many_objects_is_crossed_by_a_jump(client, world):
    """Beside a folder of 60,000 objects the next entries are found at once."""
    world.source.put_many((f"deep/{n:05}", b"") for n in range(60_000))
    world.source.put_many([("deep0", b""), ("z", b"")])
    assert [name for name, _ in walk(client, world, "", 2)] == ["deep/", "deep0", "z"]


@pytest.mark.parametrize(("prefix", "exists"), [("", True), ("fold", True), ("folder/a", True), ("a", False)])
def test_a_prefix_exists_when_an_object_starts_with_it(client, world, prefix, exists):
    """``exist`` tells whether any key starts with the prefix."""
    world.source.put("folder/a", b"x")
    body = sdk.CheckPrefixReq(
        cloud_type="AWS", **world.src_keys, bucket_name=world.source.name, file_name=prefix,
        data_center=world.src_node["region"],
    )  # fmt: skip
    assert client.check_prefix(sdk.CheckPrefixRequest(body=body)).exist is exists


@pytest.mark.parametrize(
    ("change", "code"),
    [({"sk": "wrong"}, "OMS.1014"), ({"bucket_name": "no-such-bucket"}, "OMS.0302"), ({"cloud_type": "Nimbus"}, "OMS.0057"),
     ({"page_size": 101}, "OMS.1003"), ({"file_path": "a"}, "OMS.1003"), ({"ak": None, "sk": None}, "OMS.1004"),
     ({"cloud_type": "Tencent"}, "OMS.1004"), ({"cloud_type": "URLSource"}, "OMS.0057")],
)  # fmt: skip
def test_what_cannot_be_listed_is_told(client, world, change, code):
    """Wrong keys, buckets, clouds and pages are refused with their codes, and no secret in the sentence."""
    body = sdk.ShowBucketReq(
        **{"cloud_type": "AWS", **world.src_keys, "data_center": world.src_node["region"], "bucket_name": world.source.name,
           "file_path": "", "page_size": 10, "behind_filename": "", **change}
    )  # fmt: skip
    with pytest.raises(ClientRequestException) as refused:
        client.show_bucket_objects(sdk.ShowBucketObjectsRequest(body=body))
    assert (refused.value.status_code, refused.value.error_code) == (400, code)
    assert world.src_keys["sk"] not in refused.value.error_msg


def test_objects_are_tried_through_a_cdn(client, world):
    """Without named keys five objects are tried; what the CDN lacks does not exist there."""
    world.source.put_many((f"{n}", b"body") for n in range(8))
    host = world.sandbox.s3.url.removeprefix("http://")
    cdn = sdk.SourceCdnReq(domain=host, protocol="http", authentication_type="NONE")
    request = {"cloud_type": "AWS", **world.src_keys, "region": world.src_node["region"], "bucket": world.source.name}
    found = client.show_cdn_info(sdk.ShowCdnInfoRequest(body=sdk.ShowCdnInfoReq(**request, source_cdn=cdn)))
    assert [one.key for one in found.checked_keys] == ["0", "1", "2", "3", "4"]
    assert (found.is_same_cloud_type, found.is_download_available) == (False, False)
    named = sdk.ShowCdnInfoReq(**request, source_cdn=cdn, prefix=sdk.PrefixKeyInfo(keys=["nothing"]))
    found = client.show_cdn_info(sdk.ShowCdnInfoRequest(body=named))
    assert [(one.key, one.is_object_existing) for one in found.checked_keys] == [("nothing", False)]


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"https://example.com/a\tkey\nhttps://example.com/b\tother", None), (b"https://example.com/a key", "TRF.0016"),
     (b"", "TRF.0017"), (None, "TRF.0013")],
)  # fmt: skip
def test_a_url_list_is_held_against_its_format(client, world, body, code):
    """A good list is accepted; another one is refused with the code of its fault."""
    if body is not None:
        world.destination.put("list.txt", body, headers={"content-type": "text/plain"})
    asked = sdk.CheckUrlSourceListFileFormatReq(
        obs_bucket=world.destination.name, list_file_key="list.txt", region=world.dst_node["region"], **world.dst_keys
    )
    request = sdk.CheckUrlSourceListFileFormatRequest(body=asked)
    if code is None:
        client.check_url_source_list_file_format(request)
        return
    with pytest.raises(ClientRequestException) as refused:
        client.check_url_source_list_file_format(request)
    assert (refused.value.status_code, refused.value.error_code) == (400, code)


def test_clouds_and_regions(client, world):
    """Sources and destinations, and the regions of each cloud, those of the settings among them."""
    assert "URLSource" in client.show_cloud_type(sdk.ShowCloudTypeRequest(type="src")).body
    assert client.show_cloud_type(sdk.ShowCloudTypeRequest(type="dst")).body == ["HEC"]
    regions = {
        cloud.service_name: cloud.region_list for cloud in client.show_region_info(sdk.ShowRegionInfoRequest()).body
    }
    assert world.src_node["region"] in [region.value for region in regions["AWS"]]
    assert {"HuaweiCloud", "Aliyun", "Qiniu"} <= set(regions)
    with pytest.raises(ClientRequestException) as refused:
        client.show_cloud_type(sdk.ShowCloudTypeRequest(type="sideways"))
    assert refused.value.error_code == "OMS.1003"


def test_the_privacy_agreement_is_accepted(client):
    """No body in, no body out."""
    done = client.update_privacy_agreement_record(sdk.UpdatePrivacyAgreementRecordRequest())
    assert done.status_code == 200
