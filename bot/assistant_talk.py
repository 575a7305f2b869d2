"""What the staff assistant's answers have in common: who asks, in which language, what is remembered of an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from sqlmodel import Session

from bot.context import Context
from bot.delivery import REPLY, add_media, add_reply, add_words
from bot.staff_words import EN, ZH, between, day_told, moment_told, render
from data.models import AssistantState
from data.queries import accounts as account_rows
from data.queries import alerts as alert_rows
from data.queries import assistant as rows
from data.queries.assistant import Asker
from data.queries.audit import Actor
from data.queries.customer_pages import Shown as ShownFollow
from data.rules.assistant import Shown
from data.rules.schedule import local_datetime

#: Lines of a list.
LISTED = 9
#: Outcomes that `assistant_work` has words for; `assistant_said` has them for all others.
WORK = frozenset({
    "done", "later", "task_gone", "task_late", "day_first", "scripts_none", "scripts_empty", "favourites_none",
    "starred", "unstarred", "script_gone", "no_team", "no_campaigns", "number", "approved", "rejected",
    "decide_failed", "files_failed", "late_message", "digest_what", "digest_at", "digest_off", "language",
})  # fmt: skip


class Sendable(NamedTuple):
    """A file that goes with an answer: WeCom's id of it, its type and its name."""

    media_id: str
    media_type: str
    name: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered, and what of it the next message may mean. `told`: one word of what came of it.

    `keeps`: what was remembered before stays. `slug`: `script` for words that are sent on as they are. `then`: what is
    written with the answer. `after`: what is said in a message of its own, behind words that are sent on as they are.
    """

    words: str
    told: str
    kind: Shown = Shown.NOTHING
    numbers: Sequence[int] = ()
    follow_id: int | None = None
    external_userid: str = ""
    keeps: bool = False
    slug: str = REPLY
    files: Sequence[Sendable] = field(default_factory=tuple)
    then: Callable[[Session], None] | None = None
    after: str = ""


@dataclass(frozen=True, slots=True)
class Talk:
    """A member who asks, and when."""

    ctx: Context
    asker: Asker
    now: datetime

    @property
    def userid(self) -> str:
        return self.asker.userid

    @property
    def language(self) -> str:
        """The one that the member has chosen, else the company's."""
        return self.asker.language if self.asker.language in (ZH, EN) else self.ctx.settings.app.language

    @property
    def today(self) -> date:
        return local_datetime(self.now, self.ctx.settings.zone).date()

    def actor(self, session: Session) -> Actor:
        """The member, for the audit log."""
        return account_rows.find_actor(session, self.userid)

    def say(self, slug: str, **values: str | int | None) -> str:
        """A text in the member's language."""
        return render(self.ctx, slug, self.language, **values)

    def said(
        self, outcome: str, *, keeps: bool = True, external_userid: str = "", **values: str | int | None
    ) -> Answer:
        """One sentence of what came of a question."""
        slug = "assistant_work" if outcome in WORK else "assistant_said"
        words = self.say(slug, outcome=outcome, **values)
        return Answer(words, outcome, keeps=keeps, external_userid=external_userid)

    def day(self, day: date | datetime | None) -> str | None:
        """A day as it is told; an instant by the company's clock."""
        if isinstance(day, datetime):
            day = local_datetime(day, self.ctx.settings.zone)
        return None if day is None else day_told(day, self.language)

    def moment(self, at: datetime) -> str:
        """An instant as it is told."""
        return moment_told(at, self.language, self.ctx.settings.zone)

    def named(self, names: Sequence[str]) -> str:
        """Names one after the other."""
        return between(self.language).join(each or self.nameless for each in names)

    @property
    def nameless(self) -> str:
        """What stands for a customer whose name is not known."""
        return "(no name)" if self.language == EN else "（没有昵称）"

    def called(self, name: str, remark: str) -> str:
        """What a customer is called: by the remark, with the name behind it where that is another."""
        if remark and name and remark != name:
            return f"{remark} ({name})" if self.language == EN else f"{remark}（{name}）"
        return remark or name or self.nameless


def line_of(number: int, words: str) -> str:
    """A line of a list: of one that is several lines only the first."""
    return f"{number}. {' '.join(words.split())}"


def called(talk: Talk, shown: ShownFollow) -> str:
    """What the customer of a follow is called."""
    return talk.called(shown.name, shown.remark)


def is_answered(session: Session, event_id: int) -> bool:
    """Whether an event was answered before: then it is neither done nor said again."""
    return alert_rows.has_alert(session, alert_rows.reply_key(event_id))


def write_answer(session: Session, talk: Talk, event_id: int, answer: Answer) -> bool:
    """Write down an answer and what is remembered of it. False: it was answered before."""
    added = add_reply(
        session, talk.ctx, talk.userid, event_id, answer.words, slug=answer.slug, external_userid=answer.external_userid
    )
    if not added:
        return False
    if answer.then is not None:
        answer.then(session)
    for number, each in enumerate(answer.files, 1):
        add_media(session, talk.ctx, talk.userid, each.media_id, each.media_type, each.name, event_id, number)
    if answer.after:
        add_words(session, talk.ctx, REPLY, talk.userid, answer.after, dedupe_key=f"after:{event_id}")
    if not answer.keeps:
        rows.save_state(
            session, talk.userid, talk.now, kind=answer.kind, numbers=answer.numbers, follow_id=answer.follow_id
        )
    return True


def remembered(session: Session, talk: Talk) -> AssistantState | None:
    """What the member was shown last."""
    return rows.find_state(session, talk.userid, talk.now)
