"""The staff assistant about a member's day: whom to contact, what to confirm, what went wrong; done and put off."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import Session

from bot import notes, staff_changes, staff_tasks
from bot.assistant_customers import current, show_follow
from bot.assistant_talk import LISTED, Answer, Talk, line_of, remembered
from bot.staff_changes import TaskAct
from bot.staff_tasks import Asked
from data.errors import ConflictError, NotFoundError
from data.models import Follow
from data.queries import assistant as rows
from data.queries import customers as customer_rows
from data.queries import digests as digest_rows
from data.queries.digests import Mine
from data.queries.staff_tasks import TaskEndedError
from data.rules.assistant import Ask, Question, Shown
from data.rules.messages import MessageContent
from data.rules.schedule import day_began
from data.rules.staff_tasks import Later

#: New customers of so many days are to have a remark; losses and welcomes that failed are told of as long.
NEW_DAYS, TOLD_DAYS = 7, 3
NAMED = 5
WORDS_SHOWN = 40
MISSED_SHOWN = 3


def show(session: Session, talk: Talk) -> Answer:
    """The member's day."""
    ctx, zone = talk.ctx, talk.ctx.settings.zone
    try:
        listed = staff_tasks.read_list(session, talk.userid, ctx.settings, talk.now)
    except NotFoundError:
        return talk.said("unknown")
    lines, numbers = list[str](), list[int]()
    contacts = notes.list_due(session, talk.userid, ctx.settings, talk.now)
    for contact in contacts[:LISTED]:
        follow = customer_rows.find_follow(session, talk.userid, contact.external_userid)
        if follow is not None and follow.id is not None:
            numbers.append(-follow.id)
            words = f"{talk.called(contact.name, contact.remark)} · {talk.day(contact.on)}"
            lines.append(line_of(len(numbers), words))
    for each in listed.tasks[: max(LISTED * 2 - len(numbers), 0)]:
        numbers.append(each.task.id or 0)
        words = f"{talk.called(each.customer, each.remark)} · {_words_of(each.task.content)[:WORDS_SHOWN]}"
        lines.append(line_of(len(numbers), words))
    more = len(contacts) + len(listed.tasks) - len(numbers)
    waits = digest_rows.read_overview(session, talk.now).tasks.get(talk.userid, Mine())
    day = rows.read_day(
        session, talk.userid, added_since=day_began(talk.today - timedelta(days=NEW_DAYS - 1), zone),
        since=day_began(talk.today - timedelta(days=TOLD_DAYS - 1), zone), limit=NAMED,
    )  # fmt: skip
    missed = [f"{each.name or talk.nameless}：{each.words}" for each in day.missed[:MISSED_SHOWN]]
    words = talk.say(
        "assistant_today",
        date=talk.day(talk.today),
        lines="\n".join(lines),
        waiting=listed.waiting + len(listed.later) + max(more, 0),
        tasks=waits.tasks,
        posts=waits.posts,
        unnamed_count=day.unnamed_count,
        unnamed=talk.named([name for _, name in day.unnamed]),
        lost_count=day.lost_count,
        lost=talk.named([name for _, name in day.lost]),
        missed="\n".join(missed),
    )
    # Whoever looks at the day in between still means the customer who was shown before.
    follow = current(session, talk)
    return Answer(words, "today", Shown.DAY, numbers, follow.id if follow is not None else None)


def _words_of(content: object) -> str:
    return MessageContent.model_validate(content).text


def show_line(session: Session, talk: Talk, number: int) -> Answer:
    """A line of the day: the customer, and the words for them."""
    if number < 0:
        return show_follow(session, talk, -number, of_list=True)
    asked = Asked(number, talk.userid)
    found = staff_tasks.find_task(session, asked, talk.ctx.settings, talk.now)
    if found is None:
        return talk.said("task_gone")
    follow = customer_rows.find_follow(session, talk.userid, found.task.external_userid)
    if follow is None or follow.id is None:
        return talk.said("task_gone")
    return show_follow(session, talk, follow.id, also=_words_of(found.task.content), of_list=True)


def act(session: Session, talk: Talk, question: Question) -> Answer:
    """A line of the day is done, or put off for some hours or until tomorrow."""
    state = remembered(session, talk)
    if state is None or state.kind != Shown.DAY or not state.numbers:
        return talk.said("day_first")
    number = question.number
    if number is None and len(state.numbers) == 1:
        number = 1
    if number is None:
        return talk.said("day_first")
    if not 1 <= number <= len(state.numbers):
        return talk.said("pick_range", count=len(state.numbers))
    meant = state.numbers[number - 1]
    if meant < 0:
        return _act_on_contact(session, talk, question, -meant)
    return _act_on_task(session, talk, question, meant)


def _act_on_task(session: Session, talk: Talk, question: Question, task_id: int) -> Answer:
    asked, given = Asked(task_id, talk.userid), (talk.ctx.settings, talk.now)
    found = staff_tasks.find_task(session, asked, *given)
    if found is None:
        return talk.said("task_gone")
    name, whose = talk.called(found.customer, found.remark), found.task.external_userid
    actor = talk.actor(session)
    try:
        if question.ask is Ask.DONE:
            staff_changes.answer_task(session, actor, asked, TaskAct.DONE, *given)
            return talk.said("done", customer_name=name, external_userid=whose)
        later = Later.TODAY if question.ask is Ask.LATER else Later.TOMORROW
        task = staff_changes.answer_task(session, actor, asked, TaskAct.LATER, *given, until=later)
    except (NotFoundError, TaskEndedError):
        return talk.said("task_gone")
    except ConflictError:
        return talk.said("task_late")
    until = task.later_until or talk.now
    day = talk.moment(until) if later is Later.TODAY else talk.day(until)
    return talk.said("later", customer_name=name, day=day, external_userid=whose)


def _act_on_contact(session: Session, talk: Talk, question: Question, follow_id: int) -> Answer:
    follow = session.get(Follow, follow_id)
    if follow is None or follow.userid != talk.userid:
        return talk.said("task_gone")
    whose = follow.external_userid
    customer = customer_rows.find_customer(session, whose)
    name = talk.called(customer.name if customer is not None else "", follow.remark)
    settings, is_done = talk.ctx.settings, question.ask is Ask.DONE
    # Their own intention, and those of whom they stand in for.
    due = notes.list_due(session, talk.userid, settings, talk.now)
    owners = [each.userid for each in due if each.external_userid == whose]
    try:
        staff_changes.answer_contact(
            session, talk.actor(session), talk.userid, owners, whose, settings, talk.now, later=not is_done
        )
    except NotFoundError:
        owners = []
    if not owners:
        return talk.said("task_gone")
    if is_done:
        return talk.said("done", customer_name=name, external_userid=whose)
    # A contact is of a day: later than today is tomorrow.
    day = talk.today + timedelta(days=1)
    return talk.said("later", customer_name=name, day=talk.day(day), external_userid=whose)
