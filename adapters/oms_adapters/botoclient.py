"""boto3 clients for the control operations of S3-speaking clouds."""

from __future__ import annotations

from typing import Any

from oms_adapters.control import need
from oms_engine.model import Credentials
from oms_engine.store import Endpoint


def s3_client(
    extra: str,
    *,
    endpoint: Endpoint | None,
    region: str,
    credentials: Credentials | None,
    addressing: str,
    **options: str,
) -> Any:
    """Return a client; without ``credentials`` its requests are not signed, without ``endpoint`` they go to AWS.

    ``extra`` is what the user installs where boto3 is missing, ``options`` are botocore's own.

    Raises:
        ConfigError: boto3 is missing.
    """
    boto3, botocore, config = need("boto3", extra), need("botocore", extra), need("botocore.config", extra)
    if credentials is None:
        options = {**options, "signature_version": botocore.UNSIGNED}
    token = credentials.token if credentials else None
    return boto3.session.Session().client(
        "s3",
        region_name=region,
        endpoint_url=f"{endpoint.scheme}://{endpoint.netloc}" if endpoint else None,
        aws_access_key_id=credentials and credentials.access_key,
        aws_secret_access_key=credentials and credentials.secret_key.reveal(),
        aws_session_token=token and token.reveal(),
        config=config.Config(retries={"max_attempts": 3}, s3={"addressing_style": addressing}, **options),
    )
