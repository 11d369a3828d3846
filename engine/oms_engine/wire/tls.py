"""TLS contexts and what their failures mean."""

from __future__ import annotations

import ssl

from oms_engine.errors import ConfigError, ConnectionBroken
from oms_engine.wire.retry import CertificateRefused, ConnectFailed


def make_context(*, ca_file: str | None, verify: bool) -> ssl.SSLContext:
    """Return a client context: TLS 1.2 or later, HTTP/1.1, system authorities plus those of ``ca_file``.

    Raises:
        ConfigError: ``ca_file`` cannot be read.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"the CA file {ca_file} cannot be used ({error}); give a PEM file") from None
    return context


def connect_error(error: Exception, where: str) -> ConnectionBroken:
    """Return the error of a connection to ``where`` that could not be made."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateRefused(f"the certificate of {where} is not trusted: {error.verify_message}")
    return ConnectFailed(f"no connection to {where}: {error or type(error).__name__}")
