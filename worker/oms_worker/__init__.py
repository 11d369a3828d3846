"""The worker: what remembers, schedules and runs migrations around the engine.

Import from the modules: this one stays empty, so that ``openoms --help`` is quick.
"""
