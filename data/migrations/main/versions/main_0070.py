"""on SQLite customers are found by their unionid in the index of names"""

import sqlalchemy as sa
from alembic import op

from data.rules.grams import coded_id

revision = "main_0070"
down_revision = "main_0069"
branch_labels = None
depends_on = None

FOLLOWS = 5_000
KNOWN = sa.text(
    "SELECT f.id, w.grams, c.unionid FROM follows f LEFT JOIN customers c ON c.external_userid = f.external_userid "
    "LEFT JOIN follow_words w ON w.follow_id = f.id WHERE f.id > :after ORDER BY f.id LIMIT :follows"
)
WRITE = sa.text(
    "INSERT INTO follow_words (follow_id, grams) VALUES (:follow_id, :grams) "
    "ON CONFLICT (follow_id) DO UPDATE SET grams = excluded.grams"
)
TRIGGERS = sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'follow_words'")


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    # Without them the index is written once, at the end.
    triggers = connection.execute(TRIGGERS).all()
    for name, _ in triggers:
        op.execute(f"DROP TRIGGER {name}")
    after = 0
    while rows := connection.execute(KNOWN, {"after": after, "follows": FOLLOWS}).all():
        given = [
            {"follow_id": follow_id, "grams": f"{grams or ''} {coded_id(unionid)}".lstrip()}
            for follow_id, grams, unionid in rows
            if unionid
        ]
        if given:
            connection.execute(WRITE, given)
        after = rows[-1][0]
    op.execute("INSERT INTO follow_grams (follow_grams) VALUES ('rebuild')")
    for _, made_by in triggers:
        op.execute(made_by)
    op.drop_index("ix_customers_unionid", table_name="customers")
