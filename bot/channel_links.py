"""The calls for channels that are links (获客链接). `bot/channel_calls.py` says when which is made.

WeCom keeps nothing of a link by which it could be found again but its name: that ends with a mark of the channel's own.
"""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any, NamedTuple

import segno

from bot.context import Context
from bot.wecom.errors import GoneError, InvalidRequestError, NotPermittedError, WeComError
from bot.wecom.external_contacts import ExternalContacts
from data.models import ChannelPlan
from data.queries import channels as channel_rows
from data.rules.acquisition import link_body, mark_of, read_link
from data.rules.channels import CLOCKS_DIFFER_SECONDS, Step


class Made(NamedTuple):
    """What WeCom has made of a channel: its id, where its picture is (of a link: the link), and what it holds."""

    config_id: str
    address: str
    written: dict[str, Any]


def code_png(address: str) -> bytes:
    """A code that says an address, as PNG."""
    out = io.BytesIO()
    segno.make(address, error="m").save(out, kind="png", border=4, scale=12)
    return out.getvalue()


async def call(wecom: ExternalContacts, row: ChannelPlan, step: Step) -> Made | None:
    """Make, change or delete a link; what was made. Raises WeComError."""
    if step is Step.MAKE:
        link = (await wecom.create_link(**link_body(row.wanted, row.state))).get("link") or {}
        return Made(str(link.get("link_id") or ""), str(link.get("url") or ""), row.wanted)
    if step is Step.UPDATE:
        await wecom.update_link(row.config_id or "", **link_body(row.wanted, row.state))
        return None
    try:
        await wecom.delete_link(row.config_id or "")
    except WeComError as error:
        if not await is_gone(wecom, row, error):
            raise
    return None


async def find(ctx: Context, row: ChannelPlan, _known: set[str], called_at: datetime) -> Made | None:
    """The link of a channel whose making nobody knows of, in WeCom's list. Raises WeComError.

    The mark is enough: the hourly reading may have come to know the link meanwhile without knowing whose it is.
    """
    since = called_at.timestamp() - CLOCKS_DIFFER_SECONDS
    async for link_id in ctx.wecom.external_contact.gen_links():
        told = read_link(await ctx.wecom.external_contact.get_link(link_id))
        if told["name"].endswith(mark_of(row.state)) and told["made_at"] >= since:
            written = {
                "remark": row.wanted.get("remark", ""), "skip_verify": told["skip_verify"], "user": told["user"],
                "party": told["party"],
            }  # fmt: skip
            return Made(link_id, told["url"], written)
    return None


async def is_gone(wecom: ExternalContacts, row: ChannelPlan, error: WeComError) -> bool:
    """Whether WeCom refused because there is no such link any more: it has no number of its own for that."""
    if not isinstance(error, InvalidRequestError | GoneError):
        return False
    try:
        return row.config_id not in {link_id async for link_id in wecom.gen_links()}
    except WeComError:
        return False


async def refresh_links(ctx: Context) -> int:
    """Read every link that WeCom lists, and mark those that it lists no more; the number that exist.

    A company without 获客助手, or an app that may not use it, has none.
    """
    known = {each.config_id for each in await ctx.db.read(channel_rows.list_channels, "link")}
    asked_at = ctx.clock.now()
    try:
        listed = [link_id async for link_id in ctx.wecom.external_contact.gen_links()]
    except NotPermittedError:
        if known:
            raise
        return 0
    for link_id in listed:
        told = read_link(await ctx.wecom.external_contact.get_link(link_id))
        await ctx.db.write(channel_rows.apply_link, link_id, told, ctx.clock.now())
    for link_id in known - set(listed):
        await ctx.db.write(channel_rows.mark_deleted, link_id, ctx.clock.now(), asked_at)
    return len(listed)
