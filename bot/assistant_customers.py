"""The staff assistant about customers: found, shown, noted about, tagged."""

from __future__ import annotations

from dataclasses import replace

from sqlmodel import Session

from bot import staff_changes
from bot.assistant_talk import LISTED, Answer, Talk, called, line_of, remembered
from bot.context import Context
from bot.phrases import Bilingual
from bot.remarks import change_remark
from bot.saying import told
from bot.staff_words import EN
from bot.tagging import put_right
from bot.wecom.errors import WeComError
from data.errors import NotFoundError
from data.models import Follow, FollowStatus
from data.queries import assistant as rows
from data.queries import channels as channel_rows
from data.queries import notes as note_rows
from data.queries import tags as tag_rows
from data.queries.assistant import Profile, Touched
from data.queries.customer_pages import list_shown
from data.rules.assistant import Question, Shown, folded, parse_day
from data.rules.problems import InvalidRuleError, parse
from data.rules.remarks import Remark

NOTES_SHOWN = 3
NOTE_CHARACTERS = 120
FEN = 100
TOUCHES = {
    "welcome": Bilingual("欢迎语", "welcome"), "broadcast": Bilingual("群发", "group-send"),
    "own_send": Bilingual("员工自己的群发", "own group-send"), "moment": Bilingual("朋友圈", "Moments"),
    "kf": Bilingual("微信客服", "customer service"), "task": Bilingual("员工联系", "staff"),
}  # fmt: skip
STATUSES = {
    FollowStatus.PRESENT: "present", FollowStatus.HALF: "half", FollowStatus.DELETED_BY_CUSTOMER: "lost",
    FollowStatus.DELETED_BY_STAFF: "deleted", FollowStatus.OUT_OF_SIGHT: "gone",
}  # fmt: skip


def find(session: Session, talk: Talk, question: Question) -> Answer:
    """The customers of a name, a remark or the end of a telephone number."""
    if not question.words:
        return talk.said("find_what")
    found = rows.find_follows(session, question.words, talk.asker, LISTED + 1)
    if not found:
        return talk.said("find_none", words=question.words)
    if len(found) == 1:
        return show_follow(session, talk, found[0])
    listed = found[:LISTED]
    shown = {each.follow_id: each for each in list_shown(session, listed)}
    lines = []
    for number, follow_id in enumerate(listed, 1):
        each = shown[follow_id]
        more = [each.staff_name or each.userid] if each.userid != talk.userid else []
        more += [each.corp_name] if each.corp_name else []
        more += [day] if (day := talk.day(each.added_at)) else []
        lines.append(line_of(number, " · ".join([called(talk, each), *more])))
    more_than_listed = "yes" if len(found) > LISTED else None
    words = talk.say("assistant_choose", kind="customers", lines="\n".join(lines), more=more_than_listed)
    return Answer(words, "listed", Shown.CUSTOMERS, listed)


def show_follow(session: Session, talk: Talk, follow_id: int, *, also: str = "", of_list: bool = False) -> Answer:
    """One customer. `also`: what stands before, as the words that the member is to send. `of_list`: chosen from the
    list that was shown, which stays: the next number may mean another line of it."""
    follow = rows.find_follow(session, follow_id, talk.asker)
    if follow is None:
        return talk.said("pick_nothing")
    profile = rows.read_profile(session, follow)
    words = _profile_words(session, talk, follow, profile)
    words = f"{also}\n\n{words}" if also else words
    state = remembered(session, talk) if of_list else None
    kind, numbers = (Shown(state.kind), state.numbers) if state is not None else (Shown.NOTHING, [])
    return Answer(words, "shown", kind, numbers, follow_id, follow.external_userid)


def _profile_words(session: Session, talk: Talk, follow: Follow, profile: Profile) -> str:
    shown, orders = profile.shown, profile.orders
    channel = channel_rows.find_by_state(session, follow.state) if follow.state else None
    notes = note_rows.list_notes(session, follow.external_userid, NOTES_SHOWN)
    next_on = next(
        (each.due_on for each in note_rows.list_next_contacts(session, follow.external_userid)
         if each.userid == follow.userid), None,
    )  # fmt: skip
    step = profile.next_step
    return talk.say(
        "assistant_customer",
        customer_name=called(talk, shown),
        status=STATUSES[FollowStatus(follow.status)],
        staff_name=(shown.staff_name or shown.userid) if shown.userid != talk.userid else None,
        company=shown.corp_name,
        channel_name=channel.name if channel is not None else follow.state,
        added_on=talk.day(follow.added_at),
        tags=talk.named(shown.tags),
        mobiles=talk.named(list(shown.remark_mobiles)),
        touches="\n".join(_touch_words(talk, each) for each in profile.touches),
        orders=orders.paid_orders,
        amount=f"{orders.paid_amount_fen / FEN:,.2f}",
        last_order_on=talk.day(orders.last_placed_at),
        notes="\n".join(
            f"{talk.day(each.written_at)} {' '.join(each.words.split())[:NOTE_CHARACTERS]}" for each in notes
        ),
        next_on=talk.day(next_on),
        next_step=f"{step.name} ({talk.day(step.due_at)})" if step is not None else None,
        colleagues=profile.colleagues,
    )


def _touch_words(talk: Talk, touch: Touched) -> str:
    kind = TOUCHES.get(touch.kind, Bilingual(touch.kind, touch.kind))
    told = f"{talk.day(touch.at)} {kind.en if talk.language == EN else kind}"
    return f"{told} {touch.name}" if touch.name else told


# -- about the customer who was shown


def current(session: Session, talk: Talk) -> Follow | None:
    """The follow of the customer whom the member was shown last."""
    state = remembered(session, talk)
    if state is None or state.follow_id is None:
        return None
    return rows.find_follow(session, state.follow_id, talk.asker)


def _name(session: Session, talk: Talk, follow: Follow) -> str:
    return called(talk, list_shown(session, [follow.id or 0])[0])


def note(session: Session, talk: Talk, question: Question) -> Answer:
    """Something is noted about the customer who was shown."""
    follow = current(session, talk)
    if follow is None:
        return talk.said("no_customer")
    if not question.words:
        return talk.said("note_what")
    name, whose = _name(session, talk, follow), follow.external_userid
    actor = talk.actor(session)
    author = "" if follow.userid == talk.userid else actor.who
    try:
        staff_changes.write_note(
            session, actor, follow.userid, whose, question.words, talk.ctx.settings, talk.now,
            author=author,
        )  # fmt: skip
    except NotFoundError:
        return talk.said("not_contact", customer_name=name, external_userid=whose)
    except InvalidRuleError as error:
        return talk.said("refused", words=told(talk.language, error), external_userid=whose)
    return talk.said("noted", customer_name=name, words=question.words, external_userid=whose)


def plan(session: Session, talk: Talk, question: Question) -> Answer:
    """When the member means to be in touch with the customer who was shown."""
    follow = current(session, talk)
    if follow is None:
        return talk.said("no_customer")
    day = parse_day(question.words, talk.today) if question.words else None
    if day is None:
        return talk.said("next_what")
    name, whose = _name(session, talk, follow), follow.external_userid
    try:
        staff_changes.plan_contact(
            session, talk.actor(session), follow.userid, whose, day.day, talk.ctx.settings, talk.now
        )
    except NotFoundError:
        return talk.said("not_contact", customer_name=name, external_userid=whose)
    except InvalidRuleError as error:
        return talk.said("refused", words=told(talk.language, error), external_userid=whose)
    outcome = "next_removed" if day.day is None else "next_set"
    return talk.said(outcome, customer_name=name, day=talk.day(day.day), external_userid=whose)


# -- the remark and tags, which WeCom is asked to change


def find_remark(session: Session, talk: Talk, question: Question) -> Answer | tuple[Follow, str]:
    """(the follow, what the customer is called) of whom a question gives another remark; or why not."""
    follow = current(session, talk)
    if follow is None:
        return talk.said("no_customer")
    if not question.words:
        return talk.said("remark_what")
    name = _name(session, talk, follow)
    if follow.status != FollowStatus.PRESENT:
        return talk.said("not_contact", customer_name=name)
    return follow, name


async def change_remark_of(ctx: Context, talk: Talk, question: Question) -> Answer:
    """Give the customer who was shown another remark; what else WeCom keeps of them stays."""
    found = await ctx.db.read(find_remark, talk, question)
    if isinstance(found, Answer):
        return found
    follow, name = found
    whose, before = follow.external_userid, follow.remark
    wanted = {"remark": question.words, "description": follow.description, "remark_mobiles": follow.remark_mobiles}
    try:
        await change_remark(ctx, follow.userid, whose, parse(Remark, wanted))
    except InvalidRuleError as error:
        return talk.said("refused", words=told(talk.language, error), external_userid=whose)
    except WeComError as error:
        if error.retryable:
            raise
        return talk.said("refused", words=told(talk.language, error), external_userid=whose)

    def note_down(session: Session) -> None:
        after = {"userid": follow.userid, "remark": question.words}
        staff_changes.note_remark(session, talk.actor(session), whose, {"remark": before}, after, talk.now)

    said = talk.said("remarked", customer_name=name, words=question.words, external_userid=whose)
    return replace(said, then=note_down)


def find_tag(session: Session, talk: Talk, question: Question) -> Answer | tuple[Follow, str, str, str]:
    """(the follow, the tag's id and name, what the customer is called) of a question about a tag; or why not."""
    follow = current(session, talk)
    if follow is None:
        return talk.said("no_customer")
    if not question.words:
        return talk.said("tag_what")
    wanted = folded(question.words).replace(" ", "")
    exact, like = [], []
    for tag in tag_rows.list_tags(session):
        name, whole = str(tag["name"]), f"{tag['group_name']}/{tag['name']}"
        if wanted in (folded(name).replace(" ", ""), folded(whole).replace(" ", "")):
            exact.append(tag)
        elif wanted in folded(name):
            like.append(name)
    if len(exact) > 1:
        return talk.said("tag_many", words=question.words, count=len(exact))
    if not exact:
        return talk.said("tag_unknown", words=question.words, day=talk.named(like[:3]))
    if follow.status != FollowStatus.PRESENT:
        return talk.said("not_contact", customer_name=_name(session, talk, follow))
    return follow, str(exact[0]["tag_id"]), str(exact[0]["name"]), _name(session, talk, follow)


async def change_tag(ctx: Context, talk: Talk, question: Question, *, put_on: bool) -> Answer:
    """Put a tag on the customer who was shown, or take it off."""
    found = await ctx.db.read(find_tag, talk, question)
    if isinstance(found, Answer):
        return found
    follow, tag_id, tag, name = found
    on, off = ([tag_id], []) if put_on else ([], [tag_id])
    before = await ctx.db.read(staff_changes.tags_of, follow.userid, follow.external_userid)
    try:
        await put_right(ctx, follow.userid, follow.external_userid, on, off)
    except WeComError as error:
        if error.retryable:
            raise
        return talk.said("tag_failed", words=told(talk.language, error), external_userid=follow.external_userid)
    outcome = "tagged" if put_on else "untagged"

    def note_down(session: Session) -> None:
        pair = (follow.userid, follow.external_userid)
        staff_changes.note_tags(session, talk.actor(session), *pair, before, talk.now)

    said = talk.said(outcome, customer_name=name, words=tag, external_userid=follow.external_userid)
    return replace(said, then=note_down)
