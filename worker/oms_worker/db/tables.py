"""Every table of the service, as SQLAlchemy Core. The truth about tasks lies here; about objects in their ledgers.

States are OMS's numbers (``status``). A transition is a compare-and-set on ``status`` (and ``owner``) in one UPDATE,
with a row in ``event`` beside it. Portable types only; keys of objects are binary, so that they compare as bytes.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    types,
)

from oms_worker.db.ledger_tables import add_ledger_tables

NUL = "\0"
"""PostgreSQL's texts cannot hold it (https://www.postgresql.org/docs/15/datatype-character.html): an id with it is
nobody's, and is not asked for."""

JSON = types.JSON(none_as_null=True)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

project = Table(
    "project",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("domain_id", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
)

user = Table(
    "user_account",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("project_id", String(64), ForeignKey("project.id"), nullable=False),
    Column("role", String(16), nullable=False),  # admin | operator | readonly
    Column("access_key", String(64), nullable=False, unique=True),
    Column("sealed_secret_key", LargeBinary, nullable=False),
    Column("password_hash", String(255)),  # for POST /v3/auth/tokens
    Column("enabled", Boolean, nullable=False, default=True),
    Column("created_at", Float, nullable=False),
    Column("epoch", Integer, nullable=False, default=0, server_default="0"),  # tokens of an earlier one are void
)

token = Table(
    "token",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the token; the token itself is never stored
    Column("user_id", String(64), ForeignKey("user_account.id"), nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
)

credential = Table(
    "credential",
    metadata,
    # What opens the stores of a task, a group or a sync task, sealed with AES-GCM; wiped at stop and after 30 days.
    Column("owner", String(64), primary_key=True),  # "task:<id>", "group:<uuid>", "sync:<uuid>"
    Column("sealed", LargeBinary, nullable=False),
    Column("key_id", String(64), nullable=False),
    Column("created_at", Float, nullable=False, index=True),
)

key_check = Table(
    "key_check",
    metadata,
    # A known text sealed under each key that seals anything here: a ring that does not open them all is another one.
    Column("key_id", String(64), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
)

key_envelope = Table(
    "key_envelope",
    metadata,
    # The key ring itself, in one row, sealed under the ring that each node has; empty where nodes share a ring.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("changed_at", Float, nullable=False),
)

task = Table(
    "task",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("project_id", String(64), ForeignKey("project.id"), nullable=False),
    Column("name", String(2048), nullable=False),
    Column(
        "status", Integer, nullable=False
    ),  # 1 waiting 2 migrating 3 paused 4 failed 5 succeeded 6 retrying 7 pausing
    Column("priority", String(8), nullable=False, default="MEDIUM"),
    Column("group_type", String(16), nullable=False, default="NORMAL_TASK"),
    Column("group_id", String(36), nullable=False, default=""),
    Column("sync_task_id", String(36), nullable=False, default=""),
    Column("request", JSON, nullable=False),  # the validated create body without any secret
    Column("range", JSON),  # sub-tasks: {"prefix","lo","hi"} | {"list_key","first_line","lines"} | {"keys": n}
    Column("bandwidth_policy", JSON, nullable=False),
    Column("migrate_failed_object", Boolean, nullable=False, default=False),  # of the start that is under way
    Column("created_at", Float, nullable=False),
    Column("queued_at", Float, nullable=False),  # when it last became waiting; ageing and the 30 days count from here
    Column("started_at", Float),  # when the run began
    Column("claimed_at", Float),  # when its owner took it
    Column("ended_at", Float),
    Column("spent_ms", BigInteger, nullable=False, default=0),  # running time under earlier owners, pauses left out
    Column("owner", String(64)),  # the serve process that runs it
    Column(
        "generation", Integer, nullable=False, default=0
    ),  # +1 at every claim; late words of earlier ones are dropped
    Column("run", Integer, nullable=False, default=1),  # +1 when a start begins anew instead of going on
    # progress, set (never added to) by the owner under its generation
    Column("total_num", BigInteger, nullable=False, default=0),
    Column("total_size", BigInteger, nullable=False, default=0),
    Column("successful_num", BigInteger, nullable=False, default=0),
    Column("failed_num", BigInteger, nullable=False, default=0),
    Column("skipped_num", BigInteger, nullable=False, default=0),
    Column("complete_size", BigInteger, nullable=False, default=0),
    Column("real_size", BigInteger, nullable=False, default=0),
    Column("migrate_speed", BigInteger, nullable=False, default=0),
    Column("progress", Float, nullable=False, default=0.0),
    Column("left_time_ms", BigInteger, nullable=False, default=0),
    Column("is_query_over", Boolean, nullable=False, default=False),
    # what the task had reached before a run through its failed objects alone
    Column("carried_total_num", BigInteger, nullable=False, default=0, server_default="0"),
    Column("carried_total_size", BigInteger, nullable=False, default=0, server_default="0"),
    Column("carried_successful_num", BigInteger, nullable=False, default=0, server_default="0"),
    Column("carried_skipped_num", BigInteger, nullable=False, default=0, server_default="0"),
    Column("carried_complete_size", BigInteger, nullable=False, default=0, server_default="0"),
    Column("carried_skipped_size", BigInteger, nullable=False, default=0, server_default="0"),
    Column("error_code", String(16)),
    Column("error_msg", String(1024)),
    Column("records", JSON),  # {"success": folder, "skip": folder, "failed": folder}
    Column("record_errors", JSON),
    Column("smn_info", JSON),
    Index("ix_task_project_queue", "project_id", "status", "queued_at"),
    Index("ix_task_project_created", "project_id", "created_at", "id"),
    Index("ix_task_status", "status", "project_id", "queued_at"),
    Index("ix_task_group", "group_id"),
    Index("ix_task_sync", "sync_task_id"),
    Index("ix_task_owner", "owner"),
    Index("ix_task_ended", "ended_at"),
)

kept_ledger = Table(
    "kept_ledger",
    metadata,
    # On SQLite: what a retry needs of the ledger of a task that has ended, compressed, in place of its file.
    Column("task_id", BigInteger, ForeignKey("task.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
)

task_keys = Table(
    "task_keys",
    metadata,
    # The keys of a sync task's sub-task, in order, as newline-joined URL-encoded text per chunk.
    Column("task_id", BigInteger, ForeignKey("task.id", ondelete="CASCADE"), primary_key=True),
    Column("chunk", Integer, primary_key=True),
    Column("keys", LargeBinary, nullable=False),
)

task_group = Table(
    "task_group",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(64), ForeignKey("project.id"), nullable=False),
    # 0 waiting 1 creating 2 monitoring 3 paused 4 creation failed 5 migration failed 6 completed 7 pausing 8/9 deleting
    Column("status", Integer, nullable=False),
    Column("request", JSON, nullable=False),
    Column("bandwidth_policy", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("marker", LargeBinary),  # how far sub-tasks have been cut: a key, or a line number
    Column("cut_done", Boolean, nullable=False, default=False),
    Column("owner", String(64)),
    Column("generation", Integer, nullable=False, default=0),
    Column("error_code", String(16)),
    Column("error_msg", String(1024)),
    Column("smn_info", JSON),
    Index("ix_task_group_project", "project_id", "created_at"),
)

sync_task = Table(
    "sync_task",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(64), ForeignKey("project.id"), nullable=False),
    Column("status", String(16), nullable=False),  # SYNCHRONIZING | STOPPED
    Column("request", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_started_at", Float),
    Column("owner", String(64)),
    Column("generation", Integer, nullable=False, default=0),
    Index("ix_sync_task_project", "project_id", "created_at"),
)

sync_event = Table(
    "sync_event",
    metadata,
    # Keys waiting to be copied; a key stands here once. Taken by a batch: task_id set; its end deletes the row, unless
    # the key was sent again meanwhile (``again``), which makes it wait anew: events stay ordered per key.
    Column("sync_task_id", String(36), primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("at", Float, nullable=False),
    Column("task_id", BigInteger),
    Column("again", Boolean, nullable=False, default=False),
    Index("ix_sync_event_waiting", "sync_task_id", "task_id", "at"),
)

sync_count = Table(
    "sync_count",
    metadata,
    # Five-minute buckets; months are sums of them.
    Column("sync_task_id", String(36), primary_key=True),
    Column("bucket", BigInteger, primary_key=True),  # start, seconds since the epoch, a multiple of 300
    Column("requests", BigInteger, nullable=False, default=0),
    Column("success", BigInteger, nullable=False, default=0),
    Column("failure", BigInteger, nullable=False, default=0),
    Column("skip", BigInteger, nullable=False, default=0),
    Column("size", BigInteger, nullable=False, default=0),
)

notification = Table(
    "notification",
    metadata,
    # Outbox: what is still to be told, written in the transaction of the end it tells of, deleted when it was told or
    # given up. Who sends one moves ``due_at`` on first, so that no two nodes do.
    Column("id", String(36), primary_key=True),
    Column("subject", String(64), nullable=False),  # "task:<id>", "group:<uuid>"
    Column("config", JSON, nullable=False),  # the ``smn_config`` of the request
    Column("variables", JSON, nullable=False),  # the thirteen template variables
    Column("attempts", Integer, nullable=False, default=0),
    Column("due_at", Float, nullable=False, index=True),
)

leftover_upload = Table(
    "leftover_upload",
    metadata,
    # Multipart uploads in flight of tasks that were deleted: aborted as soon as keys of that destination are at hand.
    Column("task_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key", LargeBinary, primary_key=True),  # the destination's
    Column("upload_id", Text, primary_key=True),  # empty: of a request that nobody answered, with its time and what ...
    Column("since", Float, primary_key=True),
    Column("known", Text, nullable=False),  # ... was open before
    Column("project_id", String(64), nullable=False),
    Column("destination", JSON, nullable=False),  # ``dst_node`` of the request
    Column("at", Float, nullable=False),
    Column("due_at", Float, nullable=False, index=True),  # when to try next
)

event = Table(
    "event",
    metadata,
    # One row per state transition.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("subject", String(64), nullable=False, index=True),  # "task:<id>", "group:<uuid>", "sync:<uuid>"
    Column("before", String(16), nullable=False),
    Column("after", String(16), nullable=False),
    Column("cause", String(255), nullable=False),
)

audit = Table(
    "audit",
    metadata,
    # One row per API call.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False, index=True),
    Column("request_id", String(64), nullable=False),
    Column("user_name", String(64), nullable=False),
    Column("project_id", String(64), nullable=False),
    Column("method", String(8), nullable=False),
    Column("path", String(2048), nullable=False),
    Column("status", Integer, nullable=False),
    Column("error_code", String(16), nullable=False, default=""),
    Column("source", String(64), nullable=False, default=""),
)

node = Table(
    "node",
    metadata,
    # Running serve processes; one whose heartbeat is old is dead and its tasks are taken over.
    Column("id", String(64), primary_key=True),
    Column("started_at", Float, nullable=False),
    Column("heartbeat_at", Float, nullable=False),
    Column("note", Text, nullable=False, default=""),
    Column("capacity", Integer, nullable=False, default=0, server_default="0"),  # tasks at once; 0: it takes none now
)

add_ledger_tables(metadata)
