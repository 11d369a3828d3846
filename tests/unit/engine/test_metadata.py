"""Which attributes travel, and which the destination cannot hold."""

from email.header import decode_header, make_header
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import MetadataRejected
from oms_engine.metadata import (
    Terms,
    decode_words,
    encode_words,
    meaning,
    metadata_notes,
    percent_encoded,
    plan_attributes,
    plan_value,
)
from oms_engine.model import Attributes, InvalidMetadata, MetadataForm

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


def test_chinese_in_encoded_words_is_percent_encoded_for_obs():
    """What S3 returns as RFC 2047 words keeps its meaning: OBS's SDKs decode percent signs, others' words they keep."""
    user = {"title": encode_words("报告 1"), "name": encode_words("Grüße"), "odd": "=?UTF-8?B?????="}
    planned = plan_attributes(Attributes(user=user), migrate=True).user
    assert planned == {"title": "%E6%8A%A5%E5%91%8A 1", "name": user["name"], "odd": user["odd"]}
    words = Terms(MetadataForm.WORDS)
    assert plan_attributes(Attributes(user=user), migrate=True, terms=words).user == user


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=60))
def test_encoded_words_can_be_read_back(text):
    """Each word has 75 characters at most, and all together give the text back; the standard library is the oracle."""
    words = encode_words(text)
    assert max(map(len, words.split(" "))) <= 75
    assert decode_words(words) == text
    assert str(make_header(decode_header(words))) == text


TEXTS = ["Grüße", "café", "こんにちは", "😀", "报告。", "한국", "中文"]


@pytest.mark.parametrize("text", TEXTS)
def test_what_a_destination_takes_is_its_own_affair(text):
    """Stores that keep bytes get the bytes, S3 gets encoded words: the value means the same."""
    attributes = Attributes(content_disposition=f"attachment; filename={as_header(text)}", user={"a": as_header(text)})
    kept = plan_attributes(attributes, migrate=True, terms=Terms(MetadataForm.UTF8))
    assert kept == attributes
    worded = plan_value("a", as_header(text), MetadataForm.WORDS)
    assert worded.isascii()
    assert meaning(worded) == meaning(as_header(text)) == meaning(text) == text


@pytest.mark.parametrize("form", list(MetadataForm))
def test_control_characters_are_carried_by_no_store(form):
    """A line break in a value is refused whatever the destination takes."""
    for text in ("a\nb", "a\x00", "\x7f", "ü\n"):
        with pytest.raises(MetadataRejected):
            plan_value("a", as_header(text), form)


ODD = Attributes("a/b", cache_control="a\nb", user={"plain": "1", "smile": as_header("😀"), "na me": "2"}, withheld=0)


def test_invalid_metadata_is_dropped_by_name():
    """On request what cannot be held is left out, and each omission is named; the rest is carried."""
    terms = Terms(invalid=InvalidMetadata.DROP)
    planned = plan_attributes(ODD, migrate=True, terms=terms)
    assert (planned.cache_control, planned.user) == (None, {"plain": "1"})
    notes = metadata_notes(ODD, True, terms)
    assert all(name in notes for name in ("Cache-Control", "smile", "na me"))
    assert "plain" not in notes
    withheld = Attributes(user={"a": "1"}, withheld=2)
    assert plan_attributes(withheld, migrate=True, terms=terms).user == {"a": "1"}
    assert "2 entries" in metadata_notes(withheld, True, terms)
    tight = terms._replace(max_user_bytes=5)
    assert plan_attributes(Attributes(user={"a": "1", "b": "22222", "c": "3"}), migrate=True, terms=tight).user == {
        "a": "1",
        "c": "3",
    }
    assert metadata_notes(Attributes(user={"a": "1"}), True, terms) == metadata_notes(ODD, False, terms) == ""


def test_invalid_metadata_is_encoded_by_name():
    """On request what cannot be held is percent-encoded, names too; decoding gives it back, and each is named."""
    terms = Terms(invalid=InvalidMetadata.ENCODE)
    planned = plan_attributes(ODD, migrate=True, terms=terms)
    assert planned.cache_control == "a%0Ab"
    assert planned.user == {"plain": "1", "smile": "%F0%9F%98%80", "na%20me": "2"}
    assert all(name in metadata_notes(ODD, True, terms) for name in ("Cache-Control", "smile", "na me"))
    with pytest.raises(MetadataRejected, match="2 entries"):
        plan_attributes(Attributes(withheld=2), migrate=True, terms=terms)


@given(st.text(max_size=20))
def test_percent_encoding_loses_nothing(text):
    """Whatever the characters, they are printable ASCII afterwards and can be had back."""
    encoded = percent_encoded(as_header(text) if text.isprintable() else text)
    assert encoded.isascii()
    assert encoded.isprintable()


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
            plan_attributes(Attributes(user=user), migrate=True, terms=Terms(max_user_bytes=limit))
    else:
        assert plan_attributes(Attributes(user=user), migrate=True, terms=Terms(max_user_bytes=limit)).user == user
