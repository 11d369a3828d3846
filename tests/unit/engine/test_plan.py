"""What is decided about an object before anything is done."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import KeyRejected, ObjectError
from oms_engine.model import (
    Attributes,
    ListedObject,
    ObjectHead,
    OverwriteMode,
    StorageClass,
    StoragePolicy,
    key_before,
    key_bytes,
)
from oms_engine.plan import (
    Action,
    PartPreferences,
    ThereObject,
    decide,
    decide_scope,
    destination_key,
    effective_rule,
    in_doubt,
    is_kms,
    part_plan,
    source_key,
    storage_class_for,
    there_object,
)
from oms_engine.store import GIB, MIB, Capabilities

RULES = list(OverwriteMode)
COMPARING = [OverwriteMode.SIZE_LAST_MODIFIED, OverwriteMode.CRC64]
OBS = Capabilities(min_part_size=100 * 1024, max_object_size=10_000 * 5 * GIB, states_crc64=True)

sizes = st.integers(0, 3)
times = st.floats(0, 3)
sums = st.none() | st.integers(0, 2)
flags = st.none() | st.booleans()
headed = st.builds(ThereObject, sizes, times, sums, flags)
listed = st.builds(ListedObject, st.just("k"), sizes, times, st.just("e"), st.just(""))


@given(listed, st.sampled_from(RULES), flags)
def test_what_is_absent_is_copied(source, rule, kms):
    """With nothing at the destination every rule copies, without a HEAD."""
    assert decide(source, None, rule, want_kms=kms).action is Action.COPY


@given(listed, listed | headed, sums, flags, flags)
def test_never_and_always_do_not_compare(source, there, crc, encrypted, kms):
    """NO_OVERWRITE skips and FULL_OVERWRITE copies whatever is there, without a HEAD."""
    options = {"source_crc64": crc, "source_encrypted": encrypted, "want_kms": kms}
    assert decide(source, there, OverwriteMode.NO_OVERWRITE, **options).action is Action.SKIP
    assert decide(source, there, OverwriteMode.FULL_OVERWRITE, **options).action is Action.COPY


@given(listed, listed | st.none())
def test_always_claims_nothing_of_the_destination(source, there):
    """FULL_OVERWRITE does not look there, so its reason (a dry run tells it) is not that nothing is there."""
    assert decide(source, there, OverwriteMode.FULL_OVERWRITE).reason == "full overwrite"


def is_later(source: float, there: float) -> bool:
    """Whether a time may be later, in whole seconds where the destination states no finer ones."""
    return 0 in {source, there} or source >= there + 1 or (source > there and there % 1 != 0)


@given(listed, headed, st.sampled_from(COMPARING), sums, flags, flags)
def test_comparing_rules_follow_the_documented_table(source, there, rule, crc, encrypted, kms):
    """With both heads known the answer is the documented table's, and final."""
    both = rule is OverwriteMode.CRC64 and crc is not None and there.crc64 is not None
    by_time = is_later(source.last_modified, there.last_modified)
    differs = source.size != there.size or (crc != there.crc64 if both else by_time)
    status = True if kms else encrypted
    differs |= status is not None and there.encrypted is not None and status != there.encrypted
    decision = decide(source, there, rule, source_crc64=crc, source_encrypted=encrypted, want_kms=kms)
    assert decision.action is (Action.COPY if differs else Action.SKIP)


@given(listed, listed, flags)
def test_listings_alone_serve_the_default_rule(source, there, kms):
    """By size and time a listing is enough, except that a skip with KMS wanted asks for a HEAD."""
    differs = source.size != there.size or is_later(source.last_modified, there.last_modified)
    expected = Action.COPY if differs else Action.NEEDS_HEAD if kms else Action.SKIP
    assert decide(source, there, OverwriteMode.SIZE_LAST_MODIFIED, want_kms=kms).action is expected


@given(listed, listed, flags)
def test_the_crc64_rule_needs_heads_only_for_equal_sizes(source, there, kms):
    """Other sizes are copied at once; equal sizes ask for a HEAD."""
    expected = Action.COPY if source.size != there.size else Action.NEEDS_HEAD
    assert decide(source, there, OverwriteMode.CRC64, want_kms=kms).action is expected


@pytest.mark.parametrize("rule", COMPARING)
def test_kms_wanted_is_compared_with_the_copy_not_with_the_source(rule):
    """With KMS wanted only the copy's encryption matters: a plain source does not make an encrypted copy differ."""
    source, options = ListedObject("k", 5, 7.0, "e", ""), {"source_encrypted": False, "want_kms": True}
    assert decide(source, ThereObject(5, 7.0, None, encrypted=True), rule, **options).action is Action.SKIP
    assert decide(source, ThereObject(5, 7.0, None, encrypted=False), rule, **options).action is Action.COPY
    assert decide(source, ThereObject(5, 7.0), rule, **options).action is Action.SKIP


@pytest.mark.parametrize("rule", COMPARING)
@pytest.mark.parametrize(("source", "there"), [(0.0, 7.0), (7.0, 0.0), (0.0, 0.0)])
def test_an_unknown_time_copies(rule, source, there):
    """Where either side states no time, nothing says that the copy is not older: it is made again."""
    listed = ListedObject("k", 5, source, "e", "")
    assert decide(listed, ThereObject(5, there), rule).reason == "time unknown"
    assert decide(listed, ListedObject("k", 5, there, "e", ""), OverwriteMode.SIZE_LAST_MODIFIED).action is Action.COPY
    assert decide_scope(ListedObject("k", 5, 0.0, "e", ""), 7.0) is None


def test_equal_times_are_skipped_with_the_reason_of_the_list():
    """Same size and same time counts as present; the reason is the one shown."""
    a = ListedObject("k", 5, 7.0, "e", "")
    assert decide(a, a, OverwriteMode.SIZE_LAST_MODIFIED) == (Action.SKIP, "same size, not older")


@given(listed, headed, st.booleans(), st.booleans())
def test_rule_falls_back_where_a_store_keeps_no_crc64(source, there, here, beyond):
    """The rule between two stores decides as CRC64 does with what the two can state."""
    a, b = Capabilities(states_crc64=here), Capabilities(states_crc64=beyond)
    rule = effective_rule(OverwriteMode.CRC64, a, b)
    assert (rule is OverwriteMode.CRC64) == (here and beyond)
    if rule is not OverwriteMode.CRC64:
        assert decide(source, there, rule).action is decide(source, there, OverwriteMode.CRC64).action


def test_a_head_becomes_what_is_compared():
    """Of a HEAD count size, time, CRC64 and whether KMS holds it; keys of the store's own are no KMS."""
    head = ObjectHead("k", 3, "e", 9.0, Attributes(), crc64=7, encryption="aws:kms")
    assert there_object(head) == ThereObject(3, 9.0, 7, encrypted=True, etag="e")
    assert [is_kms(word) for word in (None, "aes256", "AES256", "kms", "aws:kms:dsse")] == [0, 0, 0, 1, 1]


@given(times, st.none() | times)
def test_scope_is_strictly_after(modified, since):
    """Only objects modified after the instant are in scope; the others are skips with a reason."""
    decision = decide_scope(ListedObject("k", 0, modified, "", ""), since)
    if since is None or modified > since or modified == 0:
        assert decision is None
    else:
        assert decision == (Action.SKIP, "not modified since")


capabilities = st.builds(
    Capabilities,
    multipart=st.booleans(),
    min_part_size=st.integers(1, 8 * MIB),
    max_part_size=st.integers(64 * MIB, 5 * GIB),
    max_parts=st.integers(1, 10_000),
    max_single_write=st.integers(1, 5 * GIB),
    max_object_size=st.integers(1, 10_000 * 5 * GIB),
)
types = st.sampled_from([None, "text/plain", "multipart/form-data", " Multipart/Form-Data; boundary=x"])


@given(st.integers(0, 60_000 * GIB), capabilities, types, st.integers(1, 64), st.integers(0, 512))
def test_a_plan_keeps_every_limit_and_covers_every_byte(size, limits, content_type, parallel, memory):
    """Whatever the limits, a plan obeys them all and its parts cover the object once; else the object is refused."""
    prefer = PartPreferences(parallel=parallel, memory=memory * MIB)
    try:
        plan = part_plan(size, limits, limits, content_type=content_type, prefer=prefer)
    except ObjectError as error:
        room = max(limits.max_single_write, limits.max_parts * limits.max_part_size * limits.multipart)
        assert error.code == "CHECK_DST_OBJ_SIZE_FAILURE"  # noqa: PT017
        assert size > min(limits.max_object_size, room)
        return
    assert size <= limits.max_object_size
    if plan.single:
        assert (plan.parts, plan.parallel) == (1, 1)
        assert size <= limits.max_single_write
        return
    assert limits.multipart
    assert limits.min_part_size <= plan.part_size <= limits.max_part_size
    assert 1 <= plan.parts <= limits.max_parts
    assert 1 <= plan.parallel <= parallel
    assert plan.parallel == 1 or plan.parallel * plan.part_size <= memory * MIB
    first, last = plan.span(1), plan.span(plan.parts)
    assert (first.first, last.last) == (0, size - 1)
    assert (plan.parts - 1) * plan.part_size < size <= plan.parts * plan.part_size
    with pytest.raises(IndexError):
        plan.span(plan.parts + 1)


@given(st.integers(16 * MIB, 640_000 * MIB))
def test_parts_are_16_to_64_mib_while_10000_do(size):
    """Up to 625 GiB parts have 16 to 64 MiB."""
    plan = part_plan(size, OBS, OBS)
    assert 16 * MIB <= plan.part_size <= 64 * MIB
    assert [number for number, _ in plan.spans()] == list(range(1, plan.parts + 1))


@pytest.mark.parametrize(
    ("size", "part_size", "parts"),
    [
        (0, 0, 1),
        (16 * MIB - 1, 0, 1),
        (16 * MIB, 16 * MIB, 1),
        (2 * GIB, 32 * MIB, 64),
        (640_000 * MIB + 1, 65 * MIB, 9847),
        (10_000 * 5 * GIB, 5 * GIB, 10_000),
    ],
)
def test_part_sizes_by_example(size, part_size, parts):
    """From the empty object to OBS's greatest, the plan is the expected one."""
    assert part_plan(size, OBS, OBS)[1:3] == (part_size, parts)


def test_what_parts_cannot_hold_but_one_write_can_is_written_at_once():
    """A destination of few small parts still takes a larger object in one write."""
    few = Capabilities(max_parts=1, max_part_size=64 * MIB, max_single_write=5 * GIB)
    assert part_plan(64 * MIB + 1, few, few).single


def test_one_byte_beyond_the_greatest_object_is_refused():
    """Beyond the destination's limit the object fails with a code and both numbers."""
    with pytest.raises(ObjectError, match="53687091200001") as caught:
        part_plan(10_000 * 5 * GIB + 1, OBS, OBS)
    assert caught.value.code == "CHECK_DST_OBJ_SIZE_FAILURE"


def test_a_greatest_part_between_whole_mebibytes_is_used_to_the_byte():
    """Part sizes are whole MiB, but never beyond the destination's greatest part, even where that is no whole MiB."""
    odd = Capabilities(max_part_size=64 * MIB + 1, max_parts=10, max_single_write=GIB)
    assert part_plan(10 * (64 * MIB + 1), odd, odd)[1:3] == (64 * MIB + 1, 10)


def test_form_data_is_written_at_once_up_to_the_limit():
    """OBS opens no multipart upload for multipart/form-data, so up to 5 GiB it is one write."""
    form = "multipart/form-data; boundary=x"
    assert part_plan(5 * GIB, OBS, OBS, content_type=form).single
    assert not part_plan(5 * GIB + 1, OBS, OBS, content_type=form).single
    assert not part_plan(5 * GIB, OBS, OBS, content_type="multipart/mixed").single


def test_unknown_sizes_go_in_parts_or_not_at_all():
    """An object of unknown size needs a destination that takes parts."""
    plan = part_plan(None, OBS, OBS)
    assert (plan.size, plan.part_size, plan.parts, plan.single) == (None, 64 * MIB, None, False)
    with pytest.raises(ObjectError, match="does not state"):
        part_plan(None, OBS, Capabilities(multipart=False))


keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(keys, keys, keys)
def test_keys_are_mapped_verbatim_and_back(rest, strip, save):
    """Prefix off, prefix on, and nothing else; the way back gives the source key."""
    if not save + rest:
        with pytest.raises(KeyRejected, match="nothing is left"):
            destination_key(strip + rest, strip, save)
        return
    assert destination_key(strip + rest, strip, save) == save + rest
    assert source_key(save + rest, strip, save) == strip + rest


@given(keys, keys, keys, keys)
def test_mapping_keeps_the_order_of_keys(a, b, strip, save):
    """Keys in listing order stay in order under the new prefix."""
    one, two = (destination_key(strip + k, strip, save + "x") for k in (a, b))
    assert key_before(one, two) == key_before(a, b)


@given(
    st.text(st.characters(exclude_categories=["Cs"]) | st.just("\udc80"), min_size=1, max_size=40), st.integers(1, 60)
)
def test_key_length_counts_bytes(key, limit):
    """The destination's limit is on bytes, whatever the characters."""
    if len(key_bytes(key)) > limit:
        with pytest.raises(KeyRejected, match="bytes"):
            destination_key(key, max_bytes=limit)
    else:
        assert destination_key(key, max_bytes=limit) == key


def test_a_key_without_the_prefix_to_strip_is_refused():
    """A key outside the prefix must not land on another key's place."""
    with pytest.raises(KeyRejected, match="does not start"):
        destination_key("b/x", "a/")
    assert source_key("other/x", "a/", "save/") is None


@pytest.mark.parametrize("policy", list(StoragePolicy))
def test_storage_class_is_fixed_or_mapped(policy):
    """A fixed class ignores the source's; the mapping asks the source's own table; none leaves it to the bucket."""
    words = {"GLACIER": StorageClass.ARCHIVE}
    got = storage_class_for(policy, "GLACIER", words.__getitem__)
    assert got is (StorageClass.ARCHIVE if policy is StoragePolicy.SRC_STORAGE_MAPPING else StorageClass(policy.value))
    assert storage_class_for(None, "GLACIER", words.__getitem__) is None


MD5S = ("0" * 32, "f" * 32, "F" * 32, "0" * 32 + "-2", "", "opaque")


@pytest.mark.parametrize("ours", MD5S)
@pytest.mark.parametrize("theirs", MD5S)
def test_a_skip_needs_equal_md5s_where_both_listings_state_them(ours, theirs):
    """Listed ETags that are different MD5s are asked about by HEAD; nothing else in an ETag changes size and time."""
    source, there = ListedObject("k", 3, 5.0, ours, ""), ListedObject("k", 3, 9.0, theirs, "")
    differ = len(ours) == len(theirs) == 32 and ours.lower() != theirs.lower()
    decided = decide(source, there, OverwriteMode.SIZE_LAST_MODIFIED, by_md5=True)
    assert decided.action is (Action.NEEDS_HEAD if differ else Action.SKIP)
    assert decide(source, there, OverwriteMode.SIZE_LAST_MODIFIED).action is Action.SKIP
    assert decide(source, there, OverwriteMode.NO_OVERWRITE, by_md5=True).action is Action.SKIP


@pytest.mark.parametrize("rule", COMPARING)
@pytest.mark.parametrize(("ours", "theirs"), [(b"a", b"a"), (b"a", b"b"), (None, b"b"), (b"a", None), (None, None)])
def test_known_md5s_that_differ_copy(rule, ours, theirs):
    """What a HEAD states of an encrypted object is no MD5: then size and time decide, so nothing is copied for ever."""
    source = ListedObject("k", 3, 5.0, "e", "")
    there = ThereObject(3, 9.0, md5=theirs)
    decided = decide(source, there, rule, source_md5=ours)
    assert decided == ((Action.COPY, "other MD5") if ours == b"a" and theirs == b"b" else (Action.SKIP, decided.reason))


def test_a_copy_in_doubt_is_copied_again():
    """A key in doubt is copied whatever lies there; under NO_OVERWRITE an object of another ETag stays."""
    there = ListedObject("k", 3, 9.0, "E1", "")
    for rule in OverwriteMode:
        assert in_doubt(there, "e1", rule)
        assert in_doubt(there, "", rule)
        assert in_doubt(there, "other", rule) == (rule is not OverwriteMode.NO_OVERWRITE)
        assert not in_doubt(there, None, rule)
        assert not in_doubt(None, "e1", rule)
