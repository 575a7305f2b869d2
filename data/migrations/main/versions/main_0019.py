"""counting a tag on PostgreSQL"""

import sqlalchemy as sa
from alembic import op

revision = "main_0019"
down_revision = "main_0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("ix_follow_tags_live", "follow_tags", ["tag_no"], postgresql_where=sa.text("live IS TRUE"))
