"""What Terraform's provider sends, and which states it takes for errors.

https://github.com/huaweicloud/terraform-provider-huaweicloud/tree/master/huaweicloud/services/oms
"""

from __future__ import annotations

import time

AGENT = "terraform-provider-iac golangsdk/2.0.0"
"""https://github.com/huaweicloud/terraform-provider-huaweicloud/blob/master/huaweicloud/config/auth.go"""


class Provider:
    """What the provider sends, and which states it takes for errors."""

    def __init__(self, api):
        self.api = api
        self.base = f"/v2/{api.project}"

    def stop(self, path, method="POST"):
        """Ask for a stop as the provider does, by its name."""
        return self.api.request(method, f"{path}/stop", headers={"User-Agent": AGENT})

    def wait(self, path, pending, target, seconds=30):
        """Poll until a target; anything that is neither pending nor target is an error, as in StateChangeConf."""
        deadline = time.monotonic() + seconds
        while True:
            reply = self.api.get(path)
            status = reply.json()["status"]
            if status in target:
                return reply.json()
            assert status in pending, f"unexpected state {status}, wanted {target}"
            assert time.monotonic() < deadline, f"still {status}"
            time.sleep(0.05)
