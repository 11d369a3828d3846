"""A service account of the sandbox's Google, made once per run: RSA keys take long to make."""

from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from oms_adapters.sandbox.google import key_file
from oms_engine.model import Credentials, Secret

EMAIL = "reader@sandbox-project.iam.gserviceaccount.com"


@cache
def private_key(number):
    """Return the PEM of a new private key; one per number."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def account_of(cloud, *, email=EMAIL, number=0):
    """Return the text of a key file; the cloud knows ``EMAIL`` with key 0."""
    cloud.add_credentials(EMAIL, private_key(0))
    return key_file(cloud.url, email, private_key(number))


def credentials_of(cloud, **wrong):
    """Return the credentials an adapter takes."""
    return Credentials("", Secret(account_of(cloud, **wrong)))
