"""``python -m oms_adapters.sandbox``: two loopback clouds for humans, until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading

from oms_adapters.sandbox.sandbox import Sandbox, serve_control


def main() -> None:
    """Read the options, open the clouds, print how to reach them, wait."""
    parser = argparse.ArgumentParser(prog="python -m oms_adapters.sandbox", description="Loopback S3 and OBS.")
    parser.add_argument("--s3-port", type=int, default=0)
    parser.add_argument("--obs-port", type=int, default=0)
    parser.add_argument("--bucket", action="append", default=[], help="create this bucket in both clouds (repeatable)")
    parser.add_argument("--control", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.control is not None:
        serve_control(options.control)
        return
    with contextlib.suppress(KeyboardInterrupt), Sandbox(s3_port=options.s3_port, obs_port=options.obs_port) as sandbox:
        for cloud in (sandbox.s3, sandbox.obs):
            for bucket in options.bucket:
                cloud.create_bucket(bucket)
            # The keys live as long as this process and open nothing but itself.
            sys.stdout.write(
                f"{cloud.name:4} {cloud.url}  region {cloud.region}"
                f"  access key {cloud.access_key}  secret key {cloud.secret_key}\n"
            )
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
