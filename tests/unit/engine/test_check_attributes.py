"""What counts as a difference beside the bytes: headers, metadata, storage class."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.checking.attributes import UNSTATED_TYPES, attribute_differences, class_difference
from oms_engine.model import Attributes, StorageClass, StoragePolicy
from oms_engine.store import Capabilities

ASCII = st.text(st.characters(max_codepoint=127), max_size=5)
TEXTS = st.none() | ASCII
ATTRIBUTES = st.builds(
    Attributes,
    **{item.name: TEXTS for item in fields(Attributes) if item.name not in {"user", "withheld", "forced_download"}},
    user=st.dictionaries(st.sampled_from(["a", "b", "c"]), ASCII),
)


@given(ATTRIBUTES, ATTRIBUTES)
def test_attributes_differ_exactly_when_a_phrase_says_so(ours, theirs):
    """No field is forgotten, and each phrase is about one field that differs."""
    phrases = attribute_differences(ours, theirs)
    assert (phrases == []) == (ours == theirs)
    headers = [item.name for item in fields(Attributes) if item.name not in {"user", "withheld", "forced_download"}]
    names = {name.replace("_", "-") for name in headers if getattr(ours, name) != getattr(theirs, name)}
    names |= {f"metadata {name}" for name in "abc" if ours.user.get(name) != theirs.user.get(name)}
    assert len(phrases) == len(names)
    assert all(any(phrase.startswith(f"{name} ") for name in names) for phrase in phrases)


def test_metadata_that_a_store_cannot_return_is_a_difference():
    """Entries that nobody can see were not compared, so the two are not called equal."""
    assert len(attribute_differences(Attributes(withheld=2), Attributes())) == 1
    assert len(attribute_differences(Attributes(withheld=2), Attributes(withheld=2))) == 2


def test_a_value_that_was_percent_encoded_on_its_way_is_no_difference():
    """A migration stores Chinese percent-encoded; anything else that is not the same is a difference."""
    ours = Attributes(content_disposition="照片.jpg".encode().decode("latin-1"), user={"place": "北京"})
    theirs = Attributes(content_disposition="%E7%85%A7%E7%89%87.jpg", user={"place": "%E5%8C%97%E4%BA%AC"})
    assert attribute_differences(ours, theirs) == []
    assert len(attribute_differences(theirs, ours)) == 2


@pytest.mark.parametrize("default", sorted(UNSTATED_TYPES))
def test_the_type_a_store_gives_to_an_object_without_one_is_no_difference(default):
    """The other way round it is one: a stated type was lost."""
    stated = Attributes(content_type=default)
    assert attribute_differences(Attributes(), stated) == []
    assert len(attribute_differences(stated, Attributes())) == 1
    assert len(attribute_differences(Attributes(), Attributes(content_type="text/html"))) == 1


CLASSES = {"COLD": StorageClass.ARCHIVE, "COOL": StorageClass.IA, "WARM": StorageClass.IA}
KNOWN = replace(Capabilities(), class_of=lambda word: CLASSES.get(word, StorageClass.STANDARD))


@given(st.none() | st.sampled_from(StoragePolicy), st.sampled_from([*CLASSES, ""]), st.sampled_from([*CLASSES, ""]))
def test_a_class_differs_exactly_when_a_migration_by_the_policy_stores_another(policy, here, there):
    """Without a policy any class is right; words of two vendors for one class are the same class."""
    if policy is None:
        wanted = None
    elif policy is StoragePolicy.SRC_STORAGE_MAPPING:
        wanted = KNOWN.class_of(here)
    else:
        wanted = StorageClass(policy.value)
    phrases = class_difference(policy, here, there, KNOWN, KNOWN)
    assert bool(phrases) == (wanted is not None and wanted is not KNOWN.class_of(there))
    assert all(wanted.value in phrase and KNOWN.class_of(there).value in phrase for phrase in phrases)
