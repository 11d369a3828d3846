"""From a stored request and its secrets to what the engine runs: endpoints, tokens, and where a CDN may lead."""

import pytest

from oms_engine.errors import ConfigError
from oms_engine.model import Secret
from oms_worker.planning import NEVER_ARCHIVED, Planner, credentials_of
from oms_worker.settings import ServiceSettings, Work
from openoms.clouds import CLOUDS, WEB

CDN = {"domain": "cdn.example.com", "protocol": "https", "authentication_type": "NONE"}
KEYS = {f"{node}.{name}": Secret(f"{node}-{name}") for node in ("src_node", "dst_node") for name in ("ak", "sk")}


def request_of(**source):
    """A stored request."""
    node = {"cloud_type": "AWS", "region": "eu-west-1", "bucket": "photos", "object_key": [""], **source}
    return {"task_type": "prefix", "src_node": node, "dst_node": {"region": "cn-north-4", "bucket": "copies"}}


@pytest.mark.parametrize("allowed", [False, True])
def test_a_callers_hosts_are_public_unless_the_settings_allow_private_ones(allowed):
    """A CDN's domain and the hosts of URL lists are a caller's words: both are judged, by the same setting."""
    planner = Planner(ServiceSettings(work=Work(allow_private_urls=allowed)))
    plan = planner.plan({**request_of(), "source_cdn": CDN}, KEYS)
    assert plan.source.cdn.endpoint.public is not allowed
    listed = request_of(cloud_type="URLSource", list_file={"obs_bucket": "lists", "list_file_key": "urls.txt"})
    source = planner.plan({**listed, "task_type": "url_list"}, KEYS).source
    assert bool(source.extra.get("allow_private")) is allowed


def test_the_clouds_own_endpoint_is_not_judged():
    """Where a bucket is reached is the operator's word or the vendor's: a private store may be migrated from."""
    plan = Planner(ServiceSettings()).plan({**request_of(), "source_cdn": CDN}, KEYS)
    assert (plan.source.endpoint, plan.source.cdn.endpoint.host) == (None, "cdn.example.com")


def test_the_service_and_the_command_line_agree_on_what_is_never_archived():
    """Which clouds read every class at once is one fact: a restore is refused by both, or by neither."""
    never = {cloud.cloud_type for cloud in (*CLOUDS, WEB) if not cloud.archives}
    assert never == NEVER_ARCHIVED


@pytest.mark.parametrize("node", ["src_node", "dst_node"])
def test_temporary_keys_of_a_cloud_bring_their_token(node):
    """``security_token`` goes with the keys it belongs to, and to no other side."""
    token = Secret("a-session")
    found = credentials_of({**KEYS, f"{node}.security_token": token}, node)
    assert found.token == token
    other = "dst_node" if node == "src_node" else "src_node"
    assert credentials_of({**KEYS, f"{node}.security_token": token}, other).token is None


@pytest.mark.parametrize(("node", "code"), [("src_node", "TRF.0151"), ("dst_node", "TRF.0057")])
def test_a_token_without_keys_opens_nothing(node, code):
    """Keys that are wiped are told as missing, with the code of their side."""
    with pytest.raises(ConfigError) as refused:
        credentials_of({f"{node}.security_token": Secret("a-session")}, node)
    assert refused.value.code == code
