"""Adapters: what the bytes of each cloud mean. They describe calls; they never open a socket.

Start at :mod:`oms_adapters.registry`: ``open_store(config)`` gives a store for any known cloud.
"""
