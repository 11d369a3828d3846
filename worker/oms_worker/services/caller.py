"""Who calls, and what their role allows. Actions are those of OMS's permission pages.

https://support.huaweicloud.com/intl/en-us/api-oms/oms_api_8003.html
"""

from __future__ import annotations

from enum import StrEnum

from oms_engine.frozen import dataclass
from oms_worker.errors import Forbidden


class Role(StrEnum):
    """What a user may do."""

    ADMIN = "admin"
    """Everything in its project, and managing users."""
    OPERATOR = "operator"
    """Everything in its project."""
    READONLY = "readonly"
    """Looking."""


_READING = ("get", "list", "check")
_USERS = "openoms:user:"


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated user in a project. Everything it sees and changes lies in that project."""

    project_id: str
    user: str
    role: Role
    temporary: bool = False
    """It signs with temporary keys, which obtain no further ones."""

    def require(self, action: str) -> None:
        """Refuse an action, e.g. ``oms:task:create``, that the role does not allow.

        Raises:
            Forbidden: OMS.0205 a read-only user would change something; OMS.0206 only an administrator may.
        """
        if action.startswith(_USERS) and self.role is not Role.ADMIN:
            raise Forbidden("OMS.0206")
        if self.role is Role.READONLY and not action.rpartition(":")[2].startswith(_READING):
            raise Forbidden("OMS.0205")
