"""Which attributes travel, and which the destination cannot hold."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import MetadataRejected
from oms_engine.metadata import plan_attributes, plan_value
from oms_engine.model import Attributes

printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1, max_size=10)
attributes = st.builds(
    Attributes,
    *[st.none() | printable] * 6,
    user=st.dictionaries(names, printable, max_size=4),
)


def as_header(text):
    """Return characters as a header holds them: latin-1 text of UTF-8 bytes."""
    return text.encode().decode("latin-1")


@given(attributes)
def test_with_migration_everything_printable_arrives_unchanged(given_attributes):
    """System headers and user metadata of printable ASCII travel as they are."""
    assert plan_attributes(given_attributes, migrate=True) == given_attributes


@given(attributes)
def test_without_migration_only_type_and_encoding_travel(given_attributes):
    """Content-Type and Content-Encoding always travel, nothing else does."""
    planned = plan_attributes(given_attributes, migrate=False)
    expected = Attributes(given_attributes.content_type, given_attributes.content_encoding)
    assert planned == expected


@given(st.text(st.sampled_from("报告天地玄黄〇㐀鿿𠀀 abc%-=;\"'\\+"), min_size=1))
def test_chinese_is_percent_encoded_and_can_be_read_back(text):
    """A value with ideographs is stored with them percent-encoded, in printable ASCII; decoding gives the value."""
    stored = plan_value("x", as_header(text))
    assert stored.isascii()
    assert stored.isprintable()
    assert stored == text if text.isascii() else unquote(stored) == text


def test_only_what_needs_it_is_encoded():
    """Of a Content-Disposition with a Chinese name the rest stays readable."""
    value = as_header('attachment; filename="报告 v1.pdf"')
    assert plan_value("Content-Disposition", value) == 'attachment; filename="%E6%8A%A5%E5%91%8A v1.pdf"'


def test_characters_that_are_no_latin1_are_taken_as_characters():
    """An adapter that gives characters instead of bytes gets the same."""
    assert plan_value("x", "报") == plan_value("x", as_header("报")) == "%E6%8A%A5"


def test_encoded_words_pass_as_they_are():
    """RFC 2047 encoded words, which S3 returns for non-ASCII metadata, are printable ASCII and stay."""
    word = "=?UTF-8?B?5oql5ZGK?="
    assert plan_attributes(Attributes(user={"title": word}), migrate=True).user == {"title": word}


@pytest.mark.parametrize(
    "text", ["报告。", "，", "😀", "café", "한국", "かな", "a\tb", "a\nb", "\x7f", "\x00", "\u200b"]
)
def test_other_characters_are_refused_by_the_name_of_the_header(text):
    """Chinese punctuation, other scripts, accents, emoji and control characters fail; the value is not repeated."""
    with pytest.raises(MetadataRejected, match="subject") as caught:
        plan_attributes(Attributes(user={"subject": as_header(text)}), migrate=True)
    assert text not in str(caught.value)
    assert caught.value.code == "SET_DST_OBJ_METADATA_FAILURE"


def test_bytes_that_are_no_utf8_are_refused():
    """A latin-1 value is not guessed at."""
    with pytest.raises(MetadataRejected, match="'Cache-Control' is not UTF-8"):
        plan_attributes(Attributes(cache_control="caf\xe9"), migrate=True)


def test_what_does_not_travel_is_not_judged():
    """Without metadata migration a value that could not be held does no harm, but a Content-Type still does."""
    odd = as_header("😀")
    assert plan_attributes(Attributes("text/plain", user={"a": odd}), migrate=False) == Attributes("text/plain")
    with pytest.raises(MetadataRejected, match="Content-Type"):
        plan_attributes(Attributes(odd), migrate=False)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "naïve", "a\n", "(x)", "报"])
def test_names_that_are_no_token_are_refused(name):
    """A name that cannot be a header's makes the object fail."""
    with pytest.raises(MetadataRejected, match="name of user metadata"):
        plan_attributes(Attributes(user={name: "v"}), migrate=True)


@given(st.dictionaries(names, printable, max_size=5), st.integers(0, 80))
def test_the_limit_counts_names_and_values(user, limit):
    """User metadata over the destination's limit is refused, up to it accepted."""
    total = sum(len(name) + len(value) for name, value in user.items())
    if total > limit:
        with pytest.raises(MetadataRejected, match="bytes"):
            plan_attributes(Attributes(user=user), migrate=True, max_user_bytes=limit)
    else:
        assert plan_attributes(Attributes(user=user), migrate=True, max_user_bytes=limit).user == user
