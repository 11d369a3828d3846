"""fake-gcs-server, a Google that others wrote: our adapter reads what the vendor's SDK stored."""

import time
from dataclasses import dataclass, fields

import pytest
from google.api_core.exceptions import BadRequest

from oms_adapters.conformance import Harness, open_harness, run_case, select_cases
from oms_adapters.conformance.deviations import DEVIATIONS as ALL
from oms_adapters.google import PROFILE
from oms_engine.errors import InvalidRequest
from oms_engine.model import WriteOptions, Written
from support.fake_gcs import FakeGcs, fake_gcs

NO_UPLOADS = "it has no uploads in the XML API: the SDK stores by the JSON API"
NO_KEYS = "it does not look at credentials"
DEVIATIONS = {
    "multipart": NO_UPLOADS,
    "wrong_part_md5": NO_UPLOADS,
    "resume": NO_UPLOADS,
    "abort": NO_UPLOADS,
    "small_part": NO_UPLOADS,
    "gaps_between_parts": NO_UPLOADS,
    "wrong_content_md5": "it keeps its own MD5 and compares none that is sent",
    "key_too_long": "it does not limit the length of names",
    "if_match": "its GET ignores x-goog-if-generation-match; a migration compares the generation of every reply itself",
    "missing_bucket": "its XML API says of a missing bucket what it says of a missing object: 404 without a code",
    "wrong_secret": NO_KEYS,
    "unknown_access_key": NO_KEYS,
    "attributes_round_trip": ALL["Google"]["attributes_round_trip"],
    "storage_classes": "its GET and HEAD do not state the storage class",
}


@dataclass(slots=True)
class SdkHarness(Harness):
    """A bucket of a source: the vendor's SDK stores in it, our adapter does all else."""

    server: FakeGcs | None = None

    def put(self, key, body=b"", **options):
        """Store an object."""
        self.written.add(key)
        given = WriteOptions(**options)
        word = PROFILE.class_words.get(given.storage_class, "STANDARD")
        try:
            blob = self.server.put(self.config.bucket, key, body, given.attributes, storage_class=word, md5=given.md5)
        except BadRequest as error:
            raise InvalidRequest(str(error)) from None
        return Written(str(blob.generation), None, None, time.time(), None)

    def put_all(self, objects):
        """Store many objects."""
        for key, body in objects.items():
            self.put(key, body)


@pytest.fixture(scope="module")
def harness():
    """A bucket of a server of its own."""
    with fake_gcs() as server:
        server.client.create_bucket("conformance")
        with open_harness(server.config("conformance")) as opened:
            parts = {field.name: getattr(opened, field.name) for field in fields(opened)}
            yield SdkHarness(**parts, server=server)


@pytest.mark.parametrize("case", select_cases(PROFILE.capabilities), ids=str)
def test_fake_gcs(case, harness):
    """fake-gcs-server behaves as a source owes, but for the declared deviations."""
    run_case(case, harness, DEVIATIONS)
