"""Reviews, outputs, decisions, settings and the log, and the triggers that keep the last from being rewritten."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reviews",
        sa.Column("review_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("changed_at", sa.Text, nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("case_id", sa.Text),
        sa.Column("age", sa.Float),
        sa.Column("sex", sa.Text),
        sa.Column("first", sa.Text),
        sa.Column("output_id", sa.Text),
        sa.Column("kept", sa.Integer, nullable=False),
        sa.Column("struck", sa.Integer, nullable=False),
        sa.Column("added", sa.Integer, nullable=False),
        sa.Column("content", sa.Text),
        sa.Column("content_sha256", sa.Text),
        sa.Column("case_sha256", sa.Text),
        sa.Column("salt", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("review_id", name="pk_reviews"),
    )
    op.create_index("ix_reviews_sequence", "reviews", ["sequence"], unique=True)
    op.create_index("ix_reviews_case_id", "reviews", ["case_id"])
    op.create_table(
        "outputs",
        sa.Column("output_id", sa.Text, nullable=False),
        sa.Column("review_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("model_id", sa.Text),
        sa.Column("model_sha256", sa.Text),
        sa.Column("prompt_sha256", sa.Text),
        sa.Column("seconds", sa.Float),
        sa.Column("content", sa.Text),
        sa.Column("content_sha256", sa.Text),
        sa.Column("salt", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("output_id", name="pk_outputs"),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.review_id"], name="fk_outputs_review_id"),
    )
    op.create_index("ix_outputs_review_id", "outputs", ["review_id"])
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.Text, nullable=False),
        sa.Column("review_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("decided_at", sa.Text, nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("output_id", sa.Text),
        sa.Column("kept", sa.Integer, nullable=False),
        sa.Column("struck", sa.Integer, nullable=False),
        sa.Column("added", sa.Integer, nullable=False),
        sa.Column("content", sa.Text),
        sa.Column("content_sha256", sa.Text),
        sa.Column("salt", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name="pk_decisions"),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.review_id"], name="fk_decisions_review_id"),
    )
    op.create_index("ix_decisions_review_id", "decisions", ["review_id"])
    op.create_table(
        "settings",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_settings"),
    )
    op.create_table(
        "log",
        sa.Column("sequence", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("rows", sa.Text, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_log"),
    )
    op.create_index("ix_log_subject", "log", ["subject"])
    if op.get_bind().dialect.name == "sqlite":
        _sqlite_triggers()
    else:
        _postgresql_triggers()


def _sqlite_triggers() -> None:
    for table, event in (("log", "UPDATE"), ("log", "DELETE"), ("outputs", "UPDATE"), ("decisions", "UPDATE")):
        op.execute(
            f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table}: {event} refused, this table is only ever added to'); END"
        )


def _postgresql_triggers() -> None:
    op.execute(
        "CREATE FUNCTION ddx_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION '%: % refused, this table is only ever added to', TG_TABLE_NAME, TG_OP; END $$"
    )
    for table, event in (("log", "UPDATE"), ("log", "DELETE"), ("outputs", "UPDATE"), ("decisions", "UPDATE")):
        op.execute(
            f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION ddx_refuse()"
        )
    op.execute("CREATE TRIGGER log_no_truncate BEFORE TRUNCATE ON log FOR EACH STATEMENT EXECUTE FUNCTION ddx_refuse()")
