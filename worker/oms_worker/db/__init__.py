"""The service's database: SQLAlchemy Core tables, Alembic migrations, one module of queries per noun.

SQLite by default, PostgreSQL for several hosts. Times are seconds since the epoch (float) unless a name says ``_ms``.
"""
