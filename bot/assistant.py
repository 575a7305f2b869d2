"""The staff assistant: each question of a member to what answers it.

What only reads is read first; what a question does is done in the transaction that writes its answer, under the event's
number: an event that is handled again does and says nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlmodel import Session

from bot import assistant_customers as customers
from bot import assistant_day as day
from bot import assistant_numbers as numbers
from bot import assistant_scripts as scripts
from bot.assistant_talk import Answer, Talk, is_answered, remembered, write_answer
from bot.context import Context, Receipt
from bot.delivery import SCRIPT
from bot.logs import get_logger
from data.models import AssistantState, Role
from data.queries import accounts as account_rows
from data.queries import digests as digest_rows
from data.queries.assistant import read_asker
from data.queries.audit import add_entry
from data.rules.assistant import Ask, Question, Shown, parse_digest
from data.rules.staff_commands import is_stale

log = get_logger("staff")

Reader = Callable[[Session, Talk, Question], Answer]
#: These only read.
READERS: Mapping[Ask, Reader] = {
    Ask.FIND: customers.find,
    Ask.TODAY: lambda session, talk, _: day.show(session, talk),
    Ask.SCRIPTS: scripts.search,
    Ask.NUMBERS: lambda session, talk, _: numbers.show(session, talk, team=False),
    Ask.TEAM: lambda session, talk, _: numbers.show(session, talk, team=True),
    Ask.PROGRESS: lambda session, talk, _: numbers.show_progress(session, talk),
    Ask.HELP: lambda _, talk, __: help_words(talk),
}
#: What these do is written with their answer.
ACTS: Mapping[Ask, Reader] = {
    Ask.NOTE: customers.note,
    Ask.NEXT: customers.plan,
    Ask.DONE: day.act,
    Ask.LATER: day.act,
    Ask.TOMORROW: day.act,
    Ask.APPROVE: numbers.decide,
    Ask.REJECT: numbers.decide,
    Ask.DIGEST: lambda session, talk, question: choose_digest(session, talk, question),
    Ask.LANGUAGE: lambda session, talk, question: choose_language(session, talk, question),
}
#: What is asked too late is not done any more.
STALE = frozenset({Ask.APPROVE, Ask.REJECT, Ask.DONE, Ask.LATER, Ask.TOMORROW, Ask.TAG, Ask.UNTAG, Ask.REMARK})


async def answer(ctx: Context, userid: str, question: Question | None, receipt: Receipt, *, key: str = "") -> str:
    """Answer a question, or say what can be asked; what came of it in one word, empty if it was answered before.

    `key`: of the menu entry that was tapped, if none of ours. Raises WeComError where a tag cannot be changed now.
    """
    talk, known = await ctx.db.read(_open, ctx, userid, receipt)
    if known:
        return ""
    ask = question.ask if question is not None else None
    if question is None or ask is None:
        said = talk.said("menu_unknown", words=key) if key else talk.said("unknown")
        return await _write(talk, receipt, said)
    if ask in STALE and is_stale(receipt.received_at, talk.now):
        return await _write(talk, receipt, talk.said("late_message"))
    if ask is Ask.PICK:
        return await _pick(talk, question, receipt)
    if ask is Ask.FAVOURITES:
        act = scripts.star if question.number is not None else None
        if act is not None:
            return await ctx.db.write(_act, talk, question, receipt, act)
        return await _write(talk, receipt, await ctx.db.read(scripts.favourites, talk))
    if ask in (Ask.TAG, Ask.UNTAG):
        found = await customers.change_tag(ctx, talk, question, put_on=ask is Ask.TAG)
        return await _write(talk, receipt, found)
    if ask is Ask.REMARK:
        return await _write(talk, receipt, await customers.change_remark_of(ctx, talk, question))
    if ask in READERS:
        return await _write(talk, receipt, await ctx.db.read(READERS[ask], talk, question))
    return await ctx.db.write(_act, talk, question, receipt, ACTS[ask])


def _open(session: Session, ctx: Context, userid: str, receipt: Receipt) -> tuple[Talk, bool]:
    return Talk(ctx, read_asker(session, userid), ctx.clock.now()), is_answered(session, receipt.event_id)


async def _write(talk: Talk, receipt: Receipt, found: Answer) -> str:
    written = await talk.ctx.db.write(write_answer, talk, receipt.event_id, found)
    return found.told if written else ""


def _act(session: Session, talk: Talk, question: Question, receipt: Receipt, act: Reader) -> str:
    if is_answered(session, receipt.event_id):
        return ""
    found = act(session, talk, question)
    log.info("assistant_did", ask=question.ask.value, told=found.told)
    return found.told if write_answer(session, talk, receipt.event_id, found) else ""


async def _pick(talk: Talk, question: Question, receipt: Receipt) -> str:
    """A number means a line of what was shown last."""
    ctx, number = talk.ctx, question.number or 0
    state = await ctx.db.read(remembered, talk)
    if state is None or state.kind == Shown.NOTHING or not state.numbers:
        return await _write(talk, receipt, talk.said("pick_nothing"))
    if not 1 <= number <= len(state.numbers):
        return await _write(talk, receipt, talk.said("pick_range", count=len(state.numbers)))
    meant = state.numbers[number - 1]
    if state.kind == Shown.SCRIPTS:
        found = await scripts.give(ctx, talk, meant, state)
        return await ctx.db.write(_write_script, talk, receipt, meant, found)
    return await _write(talk, receipt, await ctx.db.read(_line, talk, state, meant))


def _line(session: Session, talk: Talk, state: AssistantState, meant: int) -> Answer:
    if state.kind == Shown.DAY:
        return day.show_line(session, talk, meant)
    return customers.show_follow(session, talk, meant, of_list=True)


def _write_script(session: Session, talk: Talk, receipt: Receipt, script_id: int, found: Answer) -> str:
    if not write_answer(session, talk, receipt.event_id, found):
        return ""
    if found.slug == SCRIPT:
        scripts.count_use(session, talk, script_id)
    return found.told


def help_words(talk: Talk) -> Answer:
    """What can be asked; to who manages others, what they can ask besides."""
    manages = talk.asker.role in (Role.MANAGER, Role.ADMIN) or talk.userid.casefold() in {
        each.casefold() for each in talk.ctx.settings.campaigns.managers
    }
    return Answer(talk.say("reply_help", manager="yes" if manages else None), "help", keeps=True)


# -- what a member chooses for themselves


def choose_digest(session: Session, talk: Talk, question: Question) -> Answer:
    """When the member is told each day what waits; without a time, when that is now."""
    at = parse_digest(question.words) if question.words else None
    if at is None:
        chosen = digest_rows.find_choice(session, talk.userid)
        now = talk.ctx.settings.digest.at if chosen is None else chosen
        return talk.said("digest_what", words=question.words[:20] or None, day=now)
    before = digest_rows.find_choice(session, talk.userid)
    digest_rows.choose(session, talk.userid, None if at == "default" else at, talk.now)
    _note_choice(session, talk, "digest_at", before, digest_rows.find_choice(session, talk.userid))
    told = talk.ctx.settings.digest.at if at == "default" else at
    return talk.said("digest_at", day=told) if told else talk.said("digest_off")


def choose_language(session: Session, talk: Talk, question: Question) -> Answer:
    """In which language the member is answered, here and in the console."""
    account = account_rows.account_of_member(session, talk.userid, talk.now)
    if account is None or account.id is None:
        return talk.said("unknown")
    before = account.language
    account_rows.set_preferences(session, account.id, language=question.words, theme=account.theme)
    _note_choice(session, talk, "language", before, question.words)
    chosen = Talk(talk.ctx, talk.asker._replace(language=question.words), talk.now)
    return chosen.said("language")


def _note_choice(session: Session, talk: Talk, name: str, before: str | None, after: str | None) -> None:
    if before != after:
        actor = talk.actor(session)
        add_entry(session, actor, "staff.choose", f"member {talk.userid}", {name: before}, {name: after}, talk.now)
