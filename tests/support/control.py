"""Control operations of an adapter, performed: all pages of an account's buckets, the region of a bucket."""

import asyncio

from oms_adapters.registry import adapter_for
from oms_engine.wire import Wire, WireSettings


def perform(call):
    """Perform one described call on a wire of its own."""

    async def run():
        async with Wire(WireSettings(attempts=2, backoff=0.01)) as wire:
            return await wire.call(call)

    return asyncio.run(run())


def list_buckets(config):
    """Return the buckets of the account of a configuration, following every page."""
    account = adapter_for(config.cloud_type).account(config)
    found, marker = [], ""
    while marker is not None:
        page = perform(account.list_buckets(marker))
        found += page.buckets
        marker = page.next_marker
    return found


def bucket_region(config):
    """Return the region of the bucket of a configuration."""
    return perform(adapter_for(config.cloud_type).account(config).bucket_region())
