"""The storage account that Azure's emulators know, and what no Azure can do."""

from base64 import b64encode

from oms_adapters.conformance.deviations import DEVIATIONS as ALL
from oms_engine.model import Credentials, Secret

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""https://learn.microsoft.com/en-us/azure/storage/common/storage-connect-azurite#well-known-storage-account-and-key"""

DEVIATIONS = dict(ALL["Azure"])
"""What Azure itself does otherwise than the suite says."""


def forge(wrong):
    """Return credentials that are wrong in one way."""
    other = Secret(b64encode(b"no key of this account").decode())
    return Credentials(ACCOUNT, other) if wrong == "secret_key" else Credentials("nobodysaccount", Secret(KEY))
