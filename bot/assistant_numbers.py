"""The staff assistant in numbers: a member's week, a manager's team, campaigns that go on, requests for approval."""

from __future__ import annotations

from collections.abc import Mapping

from sqlmodel import Session

from bot import digests
from bot.approvals import decide_by_message
from bot.assistant_talk import Answer, Talk
from bot.phrases import Bilingual
from bot.reports import COLUMNS, words_of
from bot.staff_words import EN
from data.models import Role
from data.queries import digests as digest_rows
from data.queries import reports as rows
from data.rules.approvals import Decision, Refusal
from data.rules.assistant import Ask, Question
from data.rules.reports import period_of

FIGURES = ("people", "added", "left", "reached", "done", "orders")
#: Letters of a reason that are kept.
REASON_MAX = 200
REFUSALS: Mapping[Refusal, Bilingual] = {
    Refusal.STRANGER: Bilingual(
        "没有这个计划，或者没有等待您审批的申请", "there is no such campaign, or no request of it waits for you"
    ),
    Refusal.REQUESTER: Bilingual("提交人不能审批自己的申请", "whoever asks for approval cannot decide about it"),
    Refusal.DECIDED: Bilingual("已经有人审批过了", "somebody has decided before"),
    Refusal.VOID: Bilingual("申请已作废", "the request is void"),
    Refusal.EXPIRED: Bilingual("申请已过期", "the request has expired"),
}  # fmt: skip


def show(session: Session, talk: Talk, *, team: bool) -> Answer:
    """This week against as much of the last one: the member's own, or the team's."""
    visible = talk.asker.visible
    if team and visible == frozenset({talk.userid}):
        return talk.said("no_team")
    whose = visible if team else frozenset({talk.userid})
    zone = talk.ctx.settings.zone
    report = rows.read_report(session, period_of("week", talk.today), talk.now, zone, whose)
    total = report.total
    amount = next(each for each in COLUMNS if each.key == "amount_fen")
    values: dict[str, str | int] = {name: getattr(total.now, name) for name in FIGURES}
    values |= {f"{name}_before": getattr(total.before, name) for name in FIGURES}
    values |= {"amount": words_of(total.now, amount), "amount_before": words_of(total.before, amount)}
    words = talk.say("assistant_numbers", whose="team" if team else "mine", members=len(report.lines), **values)
    return Answer(words, "numbers", keeps=True)


def show_progress(session: Session, talk: Talk) -> Answer:
    """The campaigns that a member answers for, and the requests that wait for them."""
    overview = digest_rows.read_overview(session, talk.now)
    settings = talk.ctx.settings
    # As in the console, where whoever manages a department sees every campaign.
    sees_all = talk.asker.role in (Role.ADMIN, Role.MANAGER)
    seen = [each for each in overview.campaigns if sees_all or digests.is_seen(settings, talk.userid, each.owner)]
    mine = talk.userid.casefold()
    to_approve = [each for each in overview.approvals if mine in {who.casefold() for who in each.approvers}]
    if not seen and not to_approve:
        return talk.said("no_campaigns")
    words = digests.campaigns_words(talk.ctx, seen, to_approve, talk.now, talk.language)
    return Answer(words, "progress", keeps=True)


def decide(session: Session, talk: Talk, question: Question) -> Answer:
    """A request for approval is granted or refused."""
    if question.number is None:
        return talk.said("number")
    approve = question.ask is Ask.APPROVE
    decision = Decision.APPROVE if approve else Decision.REJECT
    found = decide_by_message(
        session, talk.ctx, question.number, decision, talk.userid, question.words[:REASON_MAX]
    )  # fmt: skip
    if isinstance(found, Refusal):
        why = REFUSALS[found]
        return talk.said("decide_failed", words=f"{question.number} {why.en if talk.language == EN else why}")
    return talk.said("approved" if approve else "rejected", words=f"{question.number} {found.campaign_name}")
