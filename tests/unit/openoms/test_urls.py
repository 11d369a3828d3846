"""The two arguments of a migration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import ConfigError
from openoms.urls import parse_object_url, parse_url

BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9-]{1,40}[a-z0-9]", fullmatch=True)
PATHS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(st.sampled_from(["s3", "obs"]), BUCKETS, PATHS)
def test_every_character_after_the_bucket_belongs_to_the_folder(scheme, bucket, path):
    """Nothing of a path is decoded, normalised or dropped; only a closing slash is added where it lacks."""
    url = parse_url(f"{scheme}://{bucket}/{path}")
    assert (url.scheme, url.bucket) == (scheme, bucket)
    assert url.prefix in {path, f"{path}/"}
    assert not url.prefix or url.prefix.endswith("/")


@given(BUCKETS, PATHS.filter(bool))
def test_an_object_url_keeps_the_key_as_it_stands(bucket, key):
    """The key of a list file is taken byte for byte, without a slash added."""
    url, found = parse_object_url(f"obs://{bucket}/{key}")
    assert (url.bucket, found) == (bucket, key)


@pytest.mark.parametrize("path", ["", "/"])
def test_a_bare_bucket_covers_everything(path):
    """A bucket with or without a closing slash has the empty folder."""
    assert parse_url(f"s3://bucket{path}").prefix == ""


def test_a_folder_is_the_same_with_and_without_its_slash():
    """``photos`` means the folder, never the keys that merely begin so, such as ``photos2``."""
    assert parse_url("s3://bucket/photos") == parse_url("s3://bucket/photos/")


@pytest.mark.parametrize("path", ["a//b", "/a", "a/../b", ".", "%41", "a?b#c", "a b+c", "a\nb", "\udcff"])
def test_odd_paths_stay_as_they_are(path):
    """Characters that URL libraries interpret are characters of keys here."""
    assert parse_url(f"obs://bucket/{path}/").prefix == f"{path}/"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("bucket/path", "s3://bucket/path"),
        ("obx://bucket", "obs://"),
        ("https://bucket.s3.amazonaws.com/key", "endpoint"),
        ("s3://", "no bucket"),
        ("s3:///path", "no bucket"),
        ("s3://b_/x", "bucket"),
        ("s3://bucket name/x", "bucket"),
        ("s3://bucket/" + "x" * 1025, "1024"),
    ],
)
def test_a_malformed_url_is_one_sentence_that_tells_the_remedy(text, hint):
    """Each refusal names what is wrong and how to write it."""
    with pytest.raises(ConfigError) as caught:
        parse_url(text)
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_scheme_may_be_in_any_case():
    """Schemes compare without case, bucket and path do not."""
    url = parse_url("S3://Bucket/Path/")
    assert (url.scheme, url.bucket, url.prefix) == ("s3", "Bucket", "Path/")


def test_an_object_url_without_a_key_is_refused():
    """A list file must name an object."""
    with pytest.raises(ConfigError, match="not an object"):
        parse_object_url("obs://bucket/")
