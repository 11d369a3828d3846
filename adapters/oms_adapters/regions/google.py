"""Google Cloud Storage: one endpoint for all locations, and where the locations are.

https://cloud.google.com/storage/docs/locations
"""

from __future__ import annotations

import re

ENDPOINT = "https://storage.googleapis.com"
"""https://cloud.google.com/storage/docs/request-endpoints"""

REGIONS: tuple[str, ...] = tuple(
    """africa-south1 asia-east1 asia-east2 asia-northeast1 asia-northeast2 asia-northeast3 asia-south1 asia-south2
    asia-southeast1 asia-southeast2 asia-southeast3 australia-southeast1 australia-southeast2 europe-central2
    europe-north1 europe-north2 europe-southwest1 europe-west1 europe-west10 europe-west12 europe-west2 europe-west3
    europe-west4 europe-west6 europe-west8 europe-west9 me-central1 me-central2 me-west1 northamerica-northeast1
    northamerica-northeast2 northamerica-south1 southamerica-east1 southamerica-west1 us-central1 us-east1 us-east4
    us-east5 us-south1 us-west1 us-west2 us-west3 us-west4""".split()  # noqa: SIM905 - a table
)

MULTI_REGIONS: tuple[str, ...] = ("asia", "eu", "us", "asia1", "eur4", "eur5", "eur7", "eur8", "nam4")
"""Multi-regions and predefined dual-regions."""

SHAPE = re.compile(r"[a-z]+-[a-z]+\d{1,2}|[a-z]{2,5}\d?")
"""What a location's name looks like: one that is newer than the table is let through."""


def endpoint_of(region: str) -> str:
    """Return the endpoint of a location, which is the same for all."""
    del region
    return ENDPOINT
