"""What follows from a customer's first click on a tracked link: its tags, and a word to the staff member."""

from __future__ import annotations

from bot.context import Context
from bot.staff_words import Value
from data.queries import link_follow_ups as rows
from data.queries.link_follow_ups import DueClick
from scheduler.follow_ups import Rows, Wanted, Word, work_off

_ROWS = Rows(rows.claim_due, rows.finish, rows.put_off)


async def follow_up_clicks(ctx: Context) -> int:
    """Do what is due; how many clicks."""

    async def wanted_of(click: DueClick) -> Wanted:
        values: dict[str, Value] = {"link_name": click.link, "happened_at": click.clicked_at}
        key = f"link:{click.link_id}:{click.external_userid}"
        word = Word("link_clicked", values, key) if click.tells_staff else None
        return Wanted(click.external_userid, click.userid, click.tag_ids, word=word)

    return await work_off(ctx, _ROWS, wanted_of)
