"""Staff write to the app or tap its menu, and are answered at once; what campaigns and Moments answer comes before."""

from __future__ import annotations

from bot.assistant import answer
from bot.context import Context, Receipt
from bot.router import Outcome, Router, done, skipped
from bot.staff_commands import find_asker, reply_posts, reply_tasks
from bot.wecom.events import AppMessage, MenuClick
from data.rules.assistant import KEYS, Ask, parse_question
from data.rules.staff_commands import Verb

router = Router("staff")


@router.on(AppMessage)
async def on_message(event: AppMessage, ctx: Context, receipt: Receipt) -> Outcome:
    """A question is answered; of other words it is said what can be asked, unless nobody wants that."""
    if event.kind != "message.text":
        return skipped("not a text: pictures and the like are not answered")
    question = parse_question(event.content)
    if question is not None and question.ask is Ask.COMMAND:
        return skipped("answered as a command")
    if question is None and not ctx.settings.app.answer_unknown:
        return skipped("no question: what staff write otherwise is not answered")
    userid = await find_asker(ctx, event.from_user, receipt)
    if isinstance(userid, Outcome):
        return userid
    told = await answer(ctx, userid, question, receipt)
    return done(told or "answered before", ask=question.ask.value if question is not None else "unknown")


@router.on(MenuClick)
async def on_click(event: MenuClick, ctx: Context, receipt: Receipt) -> Outcome:
    """An entry of the app's menu is answered like its words."""
    userid = await find_asker(ctx, event.from_user, receipt)
    if isinstance(userid, Outcome):
        return userid
    question = KEYS.get(event.event_key)
    if question is not None and question.ask is Ask.COMMAND:
        reply = reply_posts if question.verb is Verb.POSTS else reply_tasks
        return done("told what waits" if await reply(ctx, userid, receipt) else "answered before", key=event.event_key)
    told = await answer(ctx, userid, question, receipt, key=event.event_key)
    return done(told or "answered before", key=event.event_key[:100])
