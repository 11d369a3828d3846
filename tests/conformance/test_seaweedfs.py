"""SeaweedFS, a real store that others wrote: what it does otherwise is declared, with the reason."""

import pytest

from oms_adapters.aws import PROFILE
from oms_adapters.conformance import open_harness, run_case, select_cases
from support.seaweed import seaweed

PATHS = "its keys are paths of files: dot segments are refused, slashes that lead or follow one another are dropped"
BOTH = "a file cannot be a folder too: it refuses a and a/b together"
RESTORES = "it keeps the word of a storage class, and archives nothing"
DEVIATIONS = {
    **{
        f"odd_key[{name}]": PATHS
        for name in ("dots", "one-dot-inside", "two-slashes", "leading-slash", "leading-slashes")
    },
    **{f"odd_key[{name}]": PATHS for name in ("dot", "dot-dot")},
    "odd_key[folder-marker]": "it states a folder marker that has bytes as empty",
    "odd_key[longest]": "a segment of a path has at most 255 bytes",
    "odd_key[backslash]": "it makes a slash of it",
    **{f"pair_apart[{name}]": PATHS for name in ("two-slashes", "slash-at-the-end", "slash-at-the-front")},
    **{f"pair_apart[{name}]": PATHS for name in ("dot-segment", "dot-dot-segment")},
    "pair_apart[backslash]": "it makes a slash of it",
    "pair_apart[long-names]": "a segment of a path has at most 255 bytes",
    "twins_stay_apart": BOTH,
    "list_many_order": "it lists folder by folder, not by bytes",
    "list_many_from_anywhere": "it lists folder by folder, not by bytes",
    "list_order": BOTH,
    "list_pages": BOTH,
    "list_start_anywhere": BOTH,
    "archived_is_refused": RESTORES,
    "restore": RESTORES,
    "restore_of_readable": RESTORES,
    "resume": "a part that was replaced is listed twice",
    "missing_bucket": "it makes the bucket",
    "user_metadata_round_trip": "it drops metadata without a value",
    "absent_content_type": "it guesses the type from the key",
    "kms": "it fails without a key store",
}


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    """A bucket of a server of its own."""
    with seaweed(tmp_path_factory.mktemp("seaweed")) as weed:
        weed.client.create_bucket(Bucket="conformance")
        with open_harness(weed.config("conformance")) as opened:
            yield opened


@pytest.mark.parametrize("case", select_cases(PROFILE.capabilities), ids=str)
def test_seaweedfs(case, harness):
    """SeaweedFS behaves as every store owes, but for the declared deviations."""
    run_case(case, harness, DEVIATIONS)
