"""A made-up company in our own tables, made in the database by set SQL: a million follows in about a minute.

Every value follows from its row's number by arithmetic, so that both databases hold the same company.
"""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite

from data.queries.follow_facts import RECOUNT

#: "Now" of the made-up company.
NOW = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
STAFF = 1000
CHANNELS = 40
GROUPS = 200
DAY = 86_400
#: Tags by how many follows have each: (number of such tags, first tag_no). Every follow has one tag of each row.
CLASSES = {20.0: (5, 1), 10.0: (10, 6), 5.0: (20, 16), 2.0: (50, 36), 0.5: (200, 86)}


def copy_ready(ready: str, to: Path) -> None:
    """Copy a database that was filled before, with what is still in its write-ahead log."""
    with contextlib.closing(sqlite3.connect(ready)) as source, contextlib.closing(sqlite3.connect(to)) as copy:
        source.backup(copy)


def tag_id(percent: float, number: int = 0) -> str:
    """The id of one of the tags that so many per cent of the follows have."""
    return f"et{CLASSES[percent][1] + number:06d}"


def draw(number: str, salt: int, sides: int) -> str:
    """SQL of a die, thrown once for each number and salt: 0 to `sides` - 1."""
    mixed = f"((({number}) * {2_654_435_761 + salt * 22_222} + {salt * 97_531}) % 4294967296)"
    return f"(({mixed} * {1_000_000_007 + salt * 4_444} / 65536) % 2147483647 * 48271 / 8 % {sides})"


class Company:
    """The statements that fill the tables of one dialect with so many follows."""

    def __init__(self, dialect: str, follows: int, now: datetime = NOW) -> None:
        self.sqlite = dialect == "sqlite"
        self.follows = follows
        self.now = now
        #: The follows beyond these are second ones of the same customers, by a colleague.
        self.customers = follows * 9 // 10

    def series(self, count: int) -> str:
        """A FROM clause of the numbers 1 to `count`, as `i`."""
        if self.sqlite:
            return (
                f"(WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < {count}) SELECT i FROM r)"
            )
        return f"generate_series(1, {count}::bigint) AS n(i)"

    def padded(self, number: str, width: int) -> str:
        """A number in so many places."""
        return f"printf('%0{width}d', {number})" if self.sqlite else f"lpad(({number})::text, {width}, '0')"

    def customer(self, number: str) -> str:
        """The external_userid of a customer: 32 characters, and in no order."""
        return f"('wm' || {self.padded(draw(number, 901, 10**9), 9)} || {self.padded(number, 21)})"

    def ago(self, seconds: str) -> str:
        """The instant so many seconds ago."""
        at = f"{int(self.now.timestamp())} - ({seconds})"
        return f"strftime('%Y-%m-%d %H:%M:%S.000000', {at}, 'unixepoch')" if self.sqlite else f"to_timestamp({at})"

    def listed(self, number: str) -> str:
        """A JSON list of one number."""
        return f"'[' || ({number}) || ']'" if self.sqlite else f"('[' || ({number}) || ']')::jsonb"

    def insert(self, table: str, count: int, **values: str) -> str:
        """One INSERT of `count` rows; `i` in a value is the row's number."""
        return (
            f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {self.series(count)}"
        )

    @property
    def recount(self) -> str:
        """What lets the follows know of the other tables; it wants the indexes."""
        of: Any = sqlite if self.sqlite else postgresql
        return str(RECOUNT.compile(dialect=of.dialect(), compile_kwargs={"literal_binds": True}))

    def statements(self) -> list[str]:
        """What fills the tables, in order."""
        now, follows, customers = self.ago("0"), self.follows, self.customers
        life = draw("i", 3, 100)
        member = f"'u' || {self.padded(f'(i - 1) * {STAFF} / {follows} + 1', 4)}"
        whose = f"CASE WHEN i <= {customers} THEN i ELSE (i - {customers}) * 8 + 1 END"
        channel = self.padded(draw("i", 5, CHANNELS), 2)
        tag = "CASE k " + " ".join(
            f"WHEN {k} THEN {first} + {draw('i', 20 + k, count)}" for k, (count, first) in enumerate(CLASSES.values())
        ) + " END"  # fmt: skip
        kinds = " UNION ALL ".join(f"SELECT {k} AS k" for k in range(len(CLASSES)))
        return [
            self.insert("departments", 50, id="i", name="'D' || i", parent_id="(i + 2) / 4", leader_userids="'[]'"),
            self.insert(
                "staff", STAFF, userid=f"'u' || {self.padded('i', 4)}", name="'S' || i", alias="''", position="''",
                department_ids=self.listed("1 + i % 50"), main_department_id="1 + i % 50", leader_userids="'[]'",
                status="1", follows_customers="TRUE", seen_at=now,
            ),
            self.insert("tag_groups", 1, group_id="'g1'", name="'G'", **{'"order"': "0"}),
            self.insert(
                "tags", sum(count for count, _ in CLASSES.values()), tag_no="i", group_id="'g1'", name="'T' || i",
                tag_id=f"'et' || {self.padded('i', 6)}", **{'"order"': "0"},
            ),
            self.insert(
                "customers", customers, external_userid=self.customer("i"), name="'C' || i", corp_name="''",
                avatar="'https://wx.example/mmhead/' || i || '/0'",
                type=f"CASE {draw('i', 1, 20)} WHEN 0 THEN 2 ELSE 1 END",
                gender=draw("i", 2, 3), unionid=f"'oU' || {self.padded('i', 26)}", position="''", first_seen_at=now,
                fetched_at=now,
            ) + " ORDER BY 1",
            self.insert(
                "follows", follows, id="i", userid=member, external_userid=self.customer(whose),
                status=f"CASE WHEN {life} < 92 THEN 'present' WHEN {life} < 96 THEN 'deleted_by_customer' "
                f"WHEN {life} < 98 THEN 'deleted_by_staff' ELSE 'out_of_sight' END",
                state=f"CASE WHEN {draw('i', 4, 10)} < 3 THEN '' ELSE 'store_' || {channel} END",
                add_way=draw("i", 6, 5), remark="'R' || i", description="''", remark_mobiles="'[]'", oper_userid=member,
                inherited=f"{draw('i', 7, 50)} = 0", added_at=self.ago(draw("i", 8, 730 * DAY)), changed_at=now,
            ),
            f"INSERT INTO follow_tags (follow_id, tag_no, live) SELECT i, {tag}, {life} < 92 "
            f"FROM {self.series(follows)} CROSS JOIN ({kinds}) AS kinds",
            self.insert(
                "orders", follows * 15 // 100, source="'shop'", number="'N' || i", userid="''", unionid="''",
                mobile="''", told_external_userid="''", trade_number="''", waits_because="''",
                tag_attempts="0",
                external_userid=self.customer(f"1 + i * 7 % {customers} "), amount_fen=draw("i", 10, 100_000),
                status=f"CASE {draw('i', 9, 10)} WHEN 0 THEN 'refunded' ELSE 'paid' END", items="'[]'",
                placed_at=self.ago(draw("i", 11, 365 * DAY)), matched_by="'external_userid'", received_at=now,
                changed_at=now,
            ),
            self.insert(
                "touches", follows, origin="'o' || i", kind="'broadcast'", userid="''",
                external_userid=self.customer("1 + " + draw("i", 12, customers)),
                campaign_id=f"1 + {draw('i', 13, 10)}",
                touched_at=self.ago(draw("i", 14, 180 * DAY)),
                clicked_at=f"CASE WHEN {draw('i', 15, 10)} = 0 THEN {now} END",
            ),
            self.insert(
                "customer_groups", GROUPS, chat_id=f"'wr' || {self.padded('i', 4)}", name="'Q' || i", owner="'u0001'",
                notice="''", member_version="''",
            ),
            self.insert(
                "group_members", follows // 10, chat_id=f"'wr' || {self.padded(f'1 + i % {GROUPS}', 4)}", type="2",
                userid=self.customer("i * 9"), invitor="''", state="''", joined_at=now,
            ),
            self.insert(
                "birthdays", customers // 3, external_userid=self.customer("i * 3"), is_leap_month="FALSE",
                changed_at=now,
                calendar="CASE i % 5 WHEN 0 THEN 'lunar' ELSE 'solar' END",
                month_day=f"(1 + {draw('i', 16, 12)}) * 100 + 1 + {draw('i', 17, 28)}",
            ),
            self.insert("field_definitions", 1, name="'level'", title="''", kind="'number'", created_at=now),
            self.insert(
                "customer_fields", customers // 5, external_userid=self.customer("i * 5"), name="'level'",
                number=draw("i", 18, 10), changed_at=now,
            ),
            self.insert(
                "preferences", customers // 100, external_userid=self.customer("i * 100"), opted_out_at=now,
                reason="''", changed_by="''", changed_at=now,
            ),
        ]  # fmt: skip
