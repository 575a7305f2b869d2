"""Short numbers for follows and tags; orders, fields, touches, privacy"""

import sqlalchemy as sa
from alembic import op

import data.types

revision = "main_0003"
down_revision = "main_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _give_numbers()
    op.create_table(
        "birthdays",
        sa.Column("external_userid", sa.String(length=64), nullable=False),
        sa.Column("calendar", sa.String(length=5), nullable=False),
        sa.Column("month_day", sa.Integer(), nullable=False),
        sa.Column("is_leap_month", sa.Boolean(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("changed_at", data.types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("external_userid"),
    )
    with op.batch_alter_table("birthdays", schema=None) as batch_op:
        batch_op.create_index("ix_birthdays_day", ["calendar", "month_day"], unique=False)

    op.create_table(
        "customer_fields",
        sa.Column("external_userid", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("text", sa.String(length=512), nullable=True),
        sa.Column("number", sa.Float(), nullable=True),
        sa.Column("changed_at", data.types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("external_userid", "name"),
    )
    with op.batch_alter_table("customer_fields", schema=None) as batch_op:
        batch_op.create_index("ix_customer_fields_number", ["name", "number"], unique=False)
        batch_op.create_index("ix_customer_fields_text", ["name", "text"], unique=False)

    op.create_table(
        "erasures",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("erased_at", data.types.UtcDateTime(), nullable=False),
        sa.Column("erased_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "field_definitions",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("created_at", data.types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "follow_mobiles",
        sa.Column("mobile", sa.String(length=32), nullable=False),
        sa.Column(
            "follow_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.PrimaryKeyConstraint("mobile", "follow_id"),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("follow_mobiles", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_follow_mobiles_follow_id"), ["follow_id"], unique=False)

    op.create_table(
        "orders",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("external_userid", sa.String(length=64), nullable=True),
        sa.Column("userid", sa.String(length=64), nullable=False),
        sa.Column("unionid", sa.String(length=64), nullable=False),
        sa.Column("mobile", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("amount_fen", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("items", data.types.Json, nullable=False),
        sa.Column("placed_at", data.types.UtcDateTime(), nullable=False),
        sa.Column("matched_by", sa.String(length=16), nullable=False),
        sa.Column("matched_at", data.types.UtcDateTime(), nullable=True),
        sa.Column("received_at", data.types.UtcDateTime(), nullable=False),
        sa.Column("changed_at", data.types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source", "number", name="uq_orders_number"),
    )
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.create_index("ix_orders_external_userid", ["external_userid", "placed_at"], unique=False)
        batch_op.create_index(
            "ix_orders_unmatched",
            ["id"],
            unique=False,
            sqlite_where=sa.text("external_userid IS NULL"),
            postgresql_where=sa.text("external_userid IS NULL"),
        )
        batch_op.create_index(
            "ix_orders_unmatched_mobile",
            ["mobile"],
            unique=False,
            sqlite_where=sa.text("external_userid IS NULL AND mobile <> ''"),
            postgresql_where=sa.text("external_userid IS NULL AND mobile <> ''"),
        )
        batch_op.create_index(
            "ix_orders_unmatched_unionid",
            ["unionid"],
            unique=False,
            sqlite_where=sa.text("external_userid IS NULL AND unionid <> ''"),
            postgresql_where=sa.text("external_userid IS NULL AND unionid <> ''"),
        )

    op.create_table(
        "preferences",
        sa.Column("external_userid", sa.String(length=64), nullable=False),
        sa.Column("opted_out_at", data.types.UtcDateTime(), nullable=True),
        sa.Column("paused_until", data.types.UtcDateTime(), nullable=True),
        sa.Column("cap_count", sa.Integer(), nullable=True),
        sa.Column("cap_days", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("changed_by", sa.String(length=64), nullable=False),
        sa.Column("changed_at", data.types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("external_userid"),
    )
    op.create_table(
        "touches",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("origin", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("external_userid", sa.String(length=64), nullable=False),
        sa.Column("userid", sa.String(length=64), nullable=False),
        sa.Column("campaign_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("touched_at", data.types.UtcDateTime(), nullable=False),
        sa.Column("clicked_at", data.types.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("origin"),
    )
    with op.batch_alter_table("touches", schema=None) as batch_op:
        batch_op.create_index(
            "ix_touches_campaign",
            ["campaign_id", "external_userid"],
            unique=False,
            sqlite_where=sa.text("campaign_id IS NOT NULL"),
            postgresql_where=sa.text("campaign_id IS NOT NULL"),
        )
        batch_op.create_index("ix_touches_external_userid", ["external_userid", "touched_at"], unique=False)

    _keep_mobiles()


def _give_numbers() -> None:
    """Follows and tags get numbers; the tags on follows, and their telephone numbers, are kept by them."""
    for table in ("follow_tags", "follows", "tags"):
        op.execute(f"CREATE TABLE old_{table} AS SELECT * FROM {table}")  # noqa: S608 - names of our own tables
        op.drop_table(table)
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "tags",
        sa.Column("tag_no", number, autoincrement=True, nullable=False),
        sa.Column("tag_id", sa.String(length=64), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("order", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", data.types.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("tag_no"),
        sa.UniqueConstraint("tag_id"),
    )
    op.create_index("ix_tags_group_id", "tags", ["group_id"])
    op.create_table(
        "follows",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("userid", sa.String(length=64), nullable=False),
        sa.Column("external_userid", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("add_way", sa.Integer(), nullable=True),
        sa.Column("remark", sa.String(length=128), nullable=False),
        sa.Column("description", sa.String(length=512), nullable=False),
        sa.Column("remark_mobiles", data.types.Json, nullable=False),
        sa.Column("oper_userid", sa.String(length=64), nullable=False),
        sa.Column("inherited", sa.Boolean(), nullable=False),
        sa.Column("added_at", data.types.UtcDateTime(), nullable=True),
        sa.Column("ended_at", data.types.UtcDateTime(), nullable=True),
        sa.Column("event_at", data.types.UtcDateTime(), nullable=True),
        sa.Column("changed_at", data.types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("userid", "external_userid", name="uq_follows_pair"),
    )
    op.create_index("ix_follows_external_userid", "follows", ["external_userid"])
    op.create_index("ix_follows_state", "follows", ["state"])
    op.create_table(
        "follow_tags",
        sa.Column("follow_id", number, autoincrement=False, nullable=False),
        sa.Column("tag_no", number, autoincrement=False, nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("follow_id", "tag_no"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_follow_tags_tag", "follow_tags", ["tag_no", "live", "follow_id"])
    op.execute(
        'INSERT INTO tags (tag_id, group_id, name, "order", deleted_at) '
        'SELECT tag_id, group_id, name, "order", deleted_at FROM old_tags'
    )
    # Tags seen on customers that the company's list did not have.
    op.execute(
        'INSERT INTO tags (tag_id, group_id, name, "order", deleted_at) '
        "SELECT tag_id, '', '', 0, MIN(put_on_at) FROM old_follow_tags "
        "WHERE tag_id NOT IN (SELECT tag_id FROM old_tags) GROUP BY tag_id"
    )
    columns = (
        "userid, external_userid, status, state, add_way, remark, description, remark_mobiles, oper_userid, inherited, "
        "added_at, ended_at, event_at, changed_at"
    )
    op.execute(f"INSERT INTO follows ({columns}) SELECT {columns} FROM old_follows ORDER BY userid, external_userid")  # noqa: S608
    op.execute(
        "INSERT INTO follow_tags (follow_id, tag_no, live) SELECT f.id, t.tag_no, f.status = 'present' "
        "FROM old_follow_tags o JOIN follows f ON f.userid = o.userid AND f.external_userid = o.external_userid "
        "JOIN tags t ON t.tag_id = o.tag_id"
    )
    for table in ("follow_tags", "follows", "tags"):
        op.drop_table(f"old_{table}")


def _keep_mobiles() -> None:
    each = (
        "jsonb_array_elements_text(follows.remark_mobiles) AS each (value)"
        if op.get_bind().dialect.name == "postgresql"
        else "json_each(follows.remark_mobiles) AS each"
    )
    op.execute(
        "INSERT INTO follow_mobiles (mobile, follow_id) "  # noqa: S608
        f"SELECT DISTINCT each.value, follows.id FROM follows, {each} WHERE each.value <> ''"
    )
