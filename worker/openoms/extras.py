"""Which extra of the distribution a command lacks: the core runs migrations, the service and others bring more."""

from __future__ import annotations

from oms_engine.errors import ConfigError

EXTRAS = {
    "service": (
        "fastapi", "starlette", "uvicorn", "sqlalchemy", "aiosqlite", "alembic", "cryptography", "structlog",
        "prometheus_client", "pydantic_settings", "httpx",
    ),
    "postgres": ("asyncpg", "psycopg"),
}  # fmt: skip
"""Extra -> the packages it brings, as they are imported."""


def lacking_or_none(error: ModuleNotFoundError) -> ConfigError | None:
    """Return the error with the command that mends it, None for a module that no extra brings."""
    missing = (error.name or "").partition(".")[0]
    extra = next((name for name, packages in EXTRAS.items() if missing in packages), None)
    if extra is None:
        return None
    return ConfigError(f"{missing} is not installed, which this command needs; run: pip install 'openoms[{extra}]'")
