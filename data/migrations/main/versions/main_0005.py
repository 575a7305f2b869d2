"""Touches of welcomes, erasures that are resumed"""

import sqlalchemy as sa
from alembic import op

import data.types

revision = "main_0005"
down_revision = "main_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "erasure_keys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("made_at", data.types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    # Nothing has written to it yet.
    op.drop_table("erasures")
    op.create_table(
        "erasures",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("unionid_digest", sa.String(length=64), nullable=False),
        sa.Column("erased_at", data.types.UtcDateTime(), nullable=False),
        sa.Column("erased_by", sa.String(length=64), nullable=False),
        sa.Column("pending", data.types.Json, nullable=False),
        sa.Column("finished_at", data.types.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("digest"),
    )
    with op.batch_alter_table("erasures", schema=None) as batch_op:
        batch_op.create_index(
            "ix_erasures_pending",
            ["erased_at"],
            unique=False,
            sqlite_where=sa.text("finished_at IS NULL"),
            postgresql_where=sa.text("finished_at IS NULL"),
        )
        batch_op.create_index(batch_op.f("ix_erasures_unionid_digest"), ["unionid_digest"], unique=False)

    op.execute(
        "INSERT INTO touches (origin, kind, external_userid, userid, touched_at) "
        "SELECT 'welcome:' || event_id, 'welcome', external_userid, userid, sent_at FROM welcomes "
        "WHERE status = 'sent' AND sent_at IS NOT NULL"
    )
