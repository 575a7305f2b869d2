"""Editing rules: one check for the command line and the API, done in the same transaction as the writing.

A rule that could not be sent is refused here, with a path per fault, so that sending never has to. What was sent
before an edit stays as it was: welcomes and outcomes keep their own words.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from typing import Any, TypeVar

from sqlmodel import Session

from bot.phrases import Bilingual, Phrase
from bot.render import Renderer
from bot.welcome_links import names_in, read_places
from data.queries import media as media_rows
from data.queries import rules as rule_rows
from data.queries import segment_names as segment_rows
from data.queries import tags as tag_rows
from data.queries.media_uses import hold_files
from data.rules import tagging, welcome
from data.rules.links import unusable
from data.rules.media import uploads_of
from data.rules.messages import MediaType, MessageContent, media_of
from data.rules.problems import InvalidRuleError, Problem, RuleModel, parse
from data.rules.segments import Node, Segment, unknown_names
from data.rules.tagging import TagRule
from data.rules.welcome import WelcomeRule

Rule = TypeVar("Rule", bound=RuleModel)
KIND_WORDS = {
    "image": Bilingual("图片", "image"),
    "video": Bilingual("视频", "video"),
    "file": Bilingual("文件", "file"),
}


def welcome_problems(session: Session, rule: WelcomeRule, renderer: Renderer, public_url: str) -> list[Problem]:
    """Everything that would keep a welcome rule from being sent, by field; empty: it can be used."""
    found = [*unwritable(rule.model_dump(mode="json", exclude={"content", "fallback_text"})), *welcome.problems(rule)]
    for path, source in (("content.text", rule.content.text), ("fallback_text", rule.fallback_text)):
        if source:
            found += [
                Problem(path, Phrase("第 %(line)s 行：%(words)s", line=fault.line, words=fault.message))
                for fault in renderer.check("welcome", source)
            ]
    retired = {name: place.retired for name, place in read_places(session, [rule], renderer).items()}
    return found + unusable(names_in(rule, renderer), retired, public_url) + media_problems(session, rule.content)


def media_problems(session: Session, content: MessageContent) -> list[Problem]:
    """What is wrong with the files that a message names: not in the library, or of another kind."""
    wanted: list[tuple[str, str, MediaType]] = []
    for index, attachment in enumerate(content.attachments):
        media = media_of(attachment)
        if media is not None:
            field = "pic_media" if attachment.msgtype == "miniprogram" else "media"
            wanted.append((f"attachments[{index}].{attachment.msgtype}.{field}", *media))
    return file_problems(session, wanted)


def file_problems(session: Session, wanted: Sequence[tuple[str, str, MediaType]]) -> list[Problem]:
    """The same for files by their path in the content, with the kind that is needed there."""
    if not wanted:
        return []
    kinds = {sha256: kind for sha256, kind, _, _ in media_rows.list_media(session)}
    found: list[Problem] = []
    for path, key, kind in wanted:
        if key not in kinds:
            found.append(
                Problem(f"content.{path}", Phrase("素材库里没有 %(key)s，请先用 siyu media add 添加", key=key[:12]))
            )
        elif kinds[key] != kind:
            what = Phrase(
                "素材 %(key)s 是%(kind)s，这里要用%(wanted)s",
                key=key[:12],
                kind=KIND_WORDS[kinds[key]],
                wanted=KIND_WORDS[kind],
            )
            found.append(Problem(f"content.{path}", what))
    return found


def tag_problems(session: Session, rule: TagRule, known: Set[str] | None = None) -> list[Problem]:
    """Everything that is wrong with an auto-tagging rule, by field; empty: it can be used.

    `known`: the company's tags, where they were read already.
    """
    found = [*unwritable(rule.model_dump(mode="json")), *tagging.problems(rule)]
    live = set(tag_rows.list_live_ids(session)) if known is None else known
    for path, tag_ids in (("put_on", rule.put_on), ("take_off", rule.take_off)):
        found += [
            Problem(path, Phrase("企业标签里没有 %(tag_id)s（已被删除，或还没有从企业微信读到）", tag_id=tag_id))
            for tag_id in sorted(tag_ids - live)
        ]
    return found


def save_welcome_rule(
    session: Session,
    rule: WelcomeRule,
    renderer: Renderer,
    public_url: str,
    now: datetime,
    version: int | None = None,
) -> WelcomeRule:
    """Check and write a rule (id 0: a new one). Raises InvalidRuleError, NotFoundError, ConflictError, StaleError."""
    _refuse(welcome_problems(session, rule, renderer, public_url))
    saved = rule_rows.save_welcome_rule(session, rule, now, version)
    if uploads_of(saved.content):
        # To look for all who use files takes long where there are hundreds of rules.
        hold_files(session, "welcome_rule", saved.id)
    return saved


def save_tag_rule(session: Session, rule: TagRule, now: datetime, version: int | None = None) -> TagRule:
    """Check and write a rule (id 0: a new one). Raises InvalidRuleError, NotFoundError, ConflictError, StaleError."""
    _refuse(tag_problems(session, rule))
    return rule_rows.save_tag_rule(session, rule, now, version)


def change_welcome_rule(
    session: Session, rule_id: int, changes: Mapping[str, Any], renderer: Renderer, public_url: str, now: datetime
) -> WelcomeRule:
    """Change some fields of a rule, as `merged` describes. To switch a rule off is always possible.

    Raises InvalidRuleError, NotFoundError, ConflictError.
    """
    rule = changed(rule_rows.get_welcome_rule(session, rule_id), changes)
    if changes == {"enabled": False}:
        return rule_rows.save_welcome_rule(session, rule, now)
    return save_welcome_rule(session, rule, renderer, public_url, now)


def change_tag_rule(session: Session, rule_id: int, changes: Mapping[str, Any], now: datetime) -> TagRule:
    """Change some fields of a rule, as `merged` describes. To switch a rule off is always possible.

    Raises InvalidRuleError, NotFoundError, ConflictError.
    """
    rule = changed(rule_rows.get_tag_rule(session, rule_id), changes)
    if changes == {"enabled": False}:
        return rule_rows.save_tag_rule(session, rule, now)
    return save_tag_rule(session, rule, now)


def usable_tree(session: Session, tree: Node) -> Node:
    """The tree of a segment, if all that it names is there. Raises InvalidRuleError with the paths of what is not."""
    _refuse(
        [
            *unwritable(tree.model_dump(mode="json"), "definition"),
            *unknown_names(tree, segment_rows.read_known(session, tree)),
        ]
    )
    return tree


def save_segment(session: Session, segment: Segment, now: datetime) -> Segment:
    """Check and write a segment (id 0: a new one). Raises InvalidRuleError, NotFoundError, ConflictError."""
    _refuse(unwritable({"name": segment.name}))
    usable_tree(session, segment.definition)
    return segment_rows.save_segment(session, segment, now)


def change_segment(session: Session, segment_id: int, changes: Mapping[str, Any], now: datetime) -> Segment:
    """Change the name of a segment, its definition as a whole, or both. Raises as `save_segment` does."""
    before = segment_rows.get_segment(session, segment_id).model_dump(mode="json")
    return save_segment(session, parse(Segment, {**before, **changes, "id": segment_id}), now)


def changed(rule: Rule, changes: Mapping[str, Any]) -> Rule:
    """The rule with changed fields, its id kept. Raises InvalidRuleError."""
    before = rule.model_dump(mode="json")
    return parse(type(rule), {**merged(before, changes), "id": before["id"]})


def merged(before: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`before` with `changes` as a JSON merge patch (RFC 7386): objects field by field, null removes, lists whole."""
    after = dict(before)
    for name, value in changes.items():
        if value is None:
            after.pop(name, None)
        elif isinstance(value, Mapping):
            inner = after.get(name)
            after[name] = merged(inner if isinstance(inner, Mapping) else {}, value)
        else:
            after[name] = value
    return after


def list_unusable(session: Session, renderer: Renderer, public_url: str) -> list[tuple[str, str, list[Problem]]]:
    """Enabled rules that were right when they were saved and are not any more: (welcome or tag, name, why)."""
    found = [
        ("welcome", rule.name, welcome_problems(session, rule, renderer, public_url))
        for rule in rule_rows.list_welcome_rules(session)
        if rule.enabled
    ]
    found += [
        ("tag", rule.name, tag_problems(session, rule)) for rule in rule_rows.list_tag_rules(session) if rule.enabled
    ]
    return [each for each in found if each[2]]


def unwritable(value: Any, path: str = "") -> Iterator[Problem]:
    """Texts with control characters: nobody can type them, and PostgreSQL keeps no NUL."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from unwritable(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from unwritable(inner, f"{path}[{index}]")
    elif isinstance(value, str) and any(unicodedata.category(char) in ("Cc", "Cs") for char in value):
        yield Problem(path, Phrase("有不可见的控制字符，请删掉它后重新输入"))


def _refuse(problems: Iterable[Problem]) -> None:
    found = list(problems)
    if found:
        raise InvalidRuleError(found)
