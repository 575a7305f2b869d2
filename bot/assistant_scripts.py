"""The staff assistant about scripts: found by words, given as ready text with their files, kept as favourites."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session

from bot import staff_changes
from bot.assistant_customers import current
from bot.assistant_talk import LISTED, Answer, Sendable, Talk, line_of, remembered
from bot.context import Context
from bot.delivery import SCRIPT, media_id_of
from bot.logs import get_logger
from bot.picture_addresses import media_id_at
from bot.scripts import names_for, words_of
from bot.wecom.errors import WeComError
from data.models import AssistantState, Follow
from data.queries import customers as customer_rows
from data.queries import scripts as rows
from data.rules.assistant import Question, Shown, folded
from data.rules.messages import ImageAttachment, MissingMediaError, media_of
from data.rules.schedule import local_datetime
from data.rules.scripts import Script

log = get_logger("staff")

WORDS_SHOWN = 30


def search(session: Session, talk: Talk, question: Question) -> Answer:
    """The scripts of some words, or of a category that is called so; without words those that the member uses most."""
    categories = rows.list_categories(session, talk.userid)
    category = next((each for each in categories if folded(each) == folded(question.words)), None)
    words = "" if category else question.words
    found = rows.search_scripts(session, words, userid=talk.userid, category=category, limit=LISTED + 1)
    if not found:
        return talk.said("scripts_none" if question.words else "scripts_empty", words=question.words)
    return _listed(session, talk, found, [] if question.words else categories)


def favourites(session: Session, talk: Talk) -> Answer:
    """The member's favourites."""
    found = rows.list_favourites(session, talk.userid, LISTED + 1)
    return _listed(session, talk, found) if found else talk.said("favourites_none")


def _listed(session: Session, talk: Talk, found: Sequence[Script], categories: Sequence[str] = ()) -> Answer:
    lines = []
    follow, told = _names(session, talk)
    for number, script in enumerate(found[:LISTED], 1):
        star = "★ " if rows.is_favourite(session, script.id, talk.userid) else ""
        title = f"[{script.category}] {script.title}" if script.category else script.title
        lines.append(line_of(number, f"{star}{title}：{words_of(talk.ctx.renderer, script, told)[:WORDS_SHOWN]}"))
    words = talk.say(
        "assistant_choose", kind="scripts", lines="\n".join(lines), more="yes" if len(found) > LISTED else None,
        categories=talk.named(categories),
    )  # fmt: skip
    # The customer who was shown before is still the one whom the words are for.
    return Answer(
        words, "listed", Shown.SCRIPTS, [each.id for each in found[:LISTED]], follow.id if follow is not None else None
    )


def star(session: Session, talk: Talk, question: Question) -> Answer:
    """A script of the list becomes a favourite, or is none any more."""
    state = remembered(session, talk)
    script = _chosen(session, talk, state, question.number or 0)
    if isinstance(script, Answer):
        return script
    was = rows.is_favourite(session, script.id, talk.userid)
    staff_changes.set_favourite(session, talk.actor(session), script.id, talk.userid, not was, talk.now)
    return talk.said("unstarred" if was else "starred", words=script.title)


def _chosen(session: Session, talk: Talk, state: AssistantState | None, number: int) -> Script | Answer:
    if state is None or state.kind != Shown.SCRIPTS or not state.numbers:
        return talk.said("favourites_none")
    if not 1 <= number <= len(state.numbers):
        return talk.said("pick_range", count=len(state.numbers))
    return rows.find_script(session, state.numbers[number - 1], userid=talk.userid) or talk.said("script_gone")


def find(session: Session, talk: Talk, script_id: int) -> tuple[Script, str, str] | None:
    """(a script that the member may use, its words, for which customer they are)."""
    script = rows.find_script(session, script_id, userid=talk.userid)
    if script is None:
        return None
    follow, told = _names(session, talk)
    words = [words_of(talk.ctx.renderer, script, told), *_cards(script)]
    return script, "\n\n".join(each for each in words if each), follow.external_userid if follow is not None else ""


def _names(session: Session, talk: Talk) -> tuple[Follow | None, dict[str, str]]:
    """The follow of the customer whom words are for now, if there is one, and what scripts call people then."""
    follow = current(session, talk)
    customer = customer_rows.find_customer(session, follow.external_userid) if follow is not None else None
    called = customer.name if customer is not None else ""
    names = names_for(session, talk.userid, talk.ctx.settings.company.name, called)
    # WeCom shows `<a href>` in these messages as a link: a name is none.
    told = {name: (value or "").replace("<", "＜") for name, value in names.items()}
    return follow if customer is not None else None, told


def _cards(script: Script) -> list[str]:
    """Attachments that are not files, as a member can send them on."""
    found = []
    for each in script.content.attachments:
        part = getattr(each, each.msgtype)
        if media_of(each) is None or each.msgtype == "miniprogram":
            parts = (getattr(part, "title", ""), getattr(part, "url", "") or getattr(part, "pic_url", ""))
            found.append("\n".join(one for one in parts if one))
    return found


async def give(ctx: Context, talk: Talk, script_id: int, state: AssistantState) -> Answer:
    """A script as ready text, and its files."""
    found = await ctx.db.read(find, talk, script_id)
    if found is None:
        return talk.said("script_gone")
    script, words, whose = found
    files, failed = list[Sendable](), 0
    for each in script.content.attachments:
        media = media_of(each)
        address = each.image.pic_url if media is None and isinstance(each, ImageAttachment) else ""
        if (media is None and not address) or each.msgtype == "miniprogram":
            continue
        try:
            media_id = await (media_id_at(ctx, address) if media is None else media_id_of(ctx, *media, urgent=True))
        except (WeComError, MissingMediaError) as error:
            log.warning("script_file_failed", script=script.id, cause=str(error))
            failed += 1
            continue
        files.append(Sendable(media_id, media[1] if media is not None else "image", script.title))
    after = talk.said("files_failed", count=failed).words if failed else ""
    return Answer(
        words or script.title, "script", Shown.SCRIPTS, state.numbers, state.follow_id, whose, slug=SCRIPT, files=files,
        after=after,
    )  # fmt: skip


def count_use(session: Session, talk: Talk, script_id: int) -> None:
    """The member took a script."""
    rows.count_use(session, script_id, talk.userid, local_datetime(talk.now, talk.ctx.settings.zone))
