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
#: Without them the index is written once, at the end.
TRIGGERS = (
    "CREATE TRIGGER follow_words_made AFTER INSERT ON follow_words BEGIN "
    "INSERT INTO follow_grams (rowid, grams) VALUES (new.follow_id, new.grams); END",
    "CREATE TRIGGER follow_words_gone AFTER DELETE ON follow_words BEGIN "
    "INSERT INTO follow_grams (follow_grams, rowid, grams) VALUES ('delete', old.follow_id, old.grams); END",
    "CREATE TRIGGER follow_words_changed AFTER UPDATE ON follow_words WHEN old.grams <> new.grams BEGIN "
    "INSERT INTO follow_grams (follow_grams, rowid, grams) VALUES ('delete', old.follow_id, old.grams); "
    "INSERT INTO follow_grams (rowid, grams) VALUES (new.follow_id, new.grams); END",
)


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    for name in ("made", "gone", "changed"):
        op.execute(f"DROP TRIGGER follow_words_{name}")
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
    for trigger in TRIGGERS:
        op.execute(trigger)
    op.drop_index("ix_customers_unionid", table_name="customers")
