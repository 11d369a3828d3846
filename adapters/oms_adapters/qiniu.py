"""Qiniu Kodo (``cloud_type`` Qiniu, ``kodo://``): S3's protocol, its quirks in ``presets.toml``."""

from __future__ import annotations

from oms_adapters.s3like import shipped_adapter

ADAPTER = shipped_adapter("qiniu")
