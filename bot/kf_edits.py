"""Rules and choices of customer service: one check for the command line, the API and the console, done in the same
transaction as the writing; and the trial of what would be answered, by the very function that answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlmodel import Session

from bot.context import Context
from bot.kf_deciding import ask_rules, facts_of_trial
from bot.phrases import Phrase
from bot.rule_edits import changed, file_problems, unwritable
from data.models import KfAccount
from data.queries import kf_accounts as account_rows
from data.queries import kf_rules as rule_rows
from data.queries import tags as tag_rows
from data.queries.media_uses import hold_files
from data.rules.kf import Happening, KfChoices, KfRule, OpenKfId, choice_problems, problems
from data.rules.kf_answers import TEXT_MAX_BYTES, media_of, words_of
from data.rules.problems import InvalidRuleError, Problem, RuleModel
from data.rules.schedule import Instant


def rule_problems(session: Session, rule: KfRule) -> list[Problem]:
    """Everything that is wrong with a rule, by field; empty: it can be used."""
    found = [*unwritable(rule.model_dump(mode="json", exclude={"answers", "hand_over"})), *problems(rule)]
    wanted = [
        (f"answers[{index}].media", *media)
        for index, answer in enumerate(rule.answers)
        if (media := media_of(answer)) is not None
    ]
    # `file_problems` names the field below a message's content.
    found += [Problem(each.path.removeprefix("content."), each.message) for each in file_problems(session, wanted)]
    if rule.open_kfid and account_rows.find_account(session, rule.open_kfid) is None:
        found.append(Problem("open_kfid", Phrase("没有客服账号 %(open_kfid)s。", open_kfid=rule.open_kfid)))
    if rule.put_on:
        live = set(tag_rows.list_live_ids(session))
        found += [
            Problem("put_on", Phrase("企业标签里没有 %(tag_id)s（已被删除，或还没有从企业微信读到）", tag_id=tag_id))
            for tag_id in sorted(rule.put_on - live)
        ]
    return found


def save_rule(session: Session, rule: KfRule, now: datetime, version: int | None = None) -> KfRule:
    """Check and write a rule (id 0: a new one). Raises InvalidRuleError, NotFoundError, ConflictError, StaleError."""
    _refuse(rule_problems(session, rule))
    saved = rule_rows.save_rule(session, rule, now, version)
    if any(media_of(answer) is not None for answer in saved.answers):
        hold_files(session, "kf_rule", saved.id)
    return saved


def change_rule(session: Session, rule_id: int, changes: Mapping[str, Any], now: datetime) -> KfRule:
    """Change some fields of a rule (JSON merge patch). To switch a rule off is always possible."""
    rule = changed(rule_rows.get_rule(session, rule_id), changes)
    if changes == {"enabled": False}:
        return rule_rows.save_rule(session, rule, now)
    return save_rule(session, rule, now)


def save_choices(session: Session, open_kfid: str, choices: KfChoices) -> KfAccount:
    """Check and keep what is chosen of an account. Raises InvalidRuleError, NotFoundError."""
    told = choices.model_dump(mode="json", exclude={"picked_text", "ended_text"})
    _refuse([*unwritable(told), *choice_problems(choices)])
    return account_rows.save_choices(session, open_kfid, choices)


class KfTry(RuleModel):
    """What a made-up customer writes or taps. `at` None is now. `rule` is tried beside the saved ones, in the place of
    the one with its id."""

    open_kfid: OpenKfId = ""
    text: str = Field(default="", max_length=TEXT_MAX_BYTES)
    menu_id: str = Field(default="", max_length=128)
    msgtype: str = Field(default="text", max_length=32)
    first: bool = False
    scene: str = Field(default="", max_length=64)
    on: Happening = Happening.MESSAGE
    at: Instant | None = None
    rule: KfRule | None = None


async def try_rules(ctx: Context, asked: KfTry) -> dict[str, Any]:
    """What would be answered, and why: nothing is sent or written. Raises InvalidRuleError, NotFoundError."""
    rules, account = await ctx.db.read(_read_for_trial, asked)
    choices = account_rows.choices_of(account)
    facts = facts_of_trial(
        choices, asked.open_kfid, asked.text, asked.at or ctx.clock.now(), ctx, first=asked.first,
        menu_id=asked.menu_id, msgtype=asked.msgtype, scene=asked.scene, on=asked.on,
    )  # fmt: skip
    found = await ask_rules(ctx, rules, facts)
    rule = found.match.rule
    return {
        **found.to_json(),
        "rule_name": rule.name if rule else "",
        "answers_at_all": choices.answers,
        "open": facts.open,
        "answers": [{**each.model_dump(mode="json"), "said": words_of(each)} for each in found.answers],
        "unsent": found.left_out,
        "hand_over": rule.hand_over.model_dump(mode="json") if rule and rule.hand_over else None,
        "put_on": sorted(rule.put_on) if rule else [],
    }


def _read_for_trial(session: Session, asked: KfTry) -> tuple[list[KfRule], KfAccount | None]:
    account = account_rows.get_account(session, asked.open_kfid) if asked.open_kfid else None
    rules = rule_rows.list_rules(session)
    if asked.rule is not None:
        _refuse(rule_problems(session, asked.rule))
        rules = [each for each in rules if each.id != asked.rule.id] + [asked.rule]
    return rules, account


def _refuse(found: Iterable[Problem]) -> None:
    told = list(found)
    if told:
        raise InvalidRuleError(told)
