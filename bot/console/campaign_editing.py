"""Campaigns made and edited, a wave at a time, with what each would do and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from aiohttp import web
from multidict import MultiDict
from sqlmodel import Session

from bot import campaign_edits, campaigns
from bot.campaign_narrowing import narrow
from bot.campaign_plans import calendar_of
from bot.console import campaign_words as words
from bot.console.asks import Ask
from bot.console.campaign_acts import by, find_mine
from bot.console.campaign_forms import (
    EDITORS,
    FILE_BYTES_MAX,
    MEMBERS,
    content_problems,
    fields_of,
    members_of,
    place_problems,
    read_timing,
    read_wave,
    segment_fields,
)
from bot.console.campaigns import PATH, names_of
from bot.console.customer_filters import find_pairs, read_filter
from bot.console.message_forms import Editor, make_editor, read_message
from bot.console.rule_forms import Option
from bot.phrases import Phrase
from data.errors import ConflictError, NotFoundError
from data.queries import campaign_views as rows
from data.queries import segment_names as segment_rows
from data.queries import staff as staff_rows
from data.queries import tags as tag_rows
from data.queries.accounts import list_visible
from data.rules import timings
from data.rules.campaigns import CampaignDraft
from data.rules.problems import InvalidRuleError, Problem, parse, parse_as
from data.rules.timings import Timing
from data.rules.variants import VARIANTS_MAX
from data.rules.waves import CUSTOMERS

#: Customers of a search who are put on a list.
LISTED_MAX = 10_000
#: A list of customers comes as a file, or is typed.
WAVE_MAX_BYTES = FILE_BYTES_MAX + 2_000_000


async def show_new(ask: Ask) -> web.Response:
    """A new campaign, with its first wave: to everybody, or to whom a list of customers showed."""
    kind = _kind(ask)
    base: dict[str, Any] = {"kind": kind}
    found = await read_filter(ask, ask.request.query) if kind == CUSTOMERS else None
    if found is not None and found.found is None and found.segment is None and found.kept:
        base["audience"] = {"segment": found.tree.model_dump(mode="json", exclude_defaults=True)}
    typed = fields_of(ask, base)
    typed.update({"name": "", "owner": ask.account.userid or ""})
    if found is not None and found.found is not None:
        pairs = await ask.db.read(find_pairs, ask, found, LISTED_MAX)
        typed.update({"audience": "list", "listed": "\n".join(f"{whom},{who}" for who, whom in pairs)})
    elif found is not None and found.segment is not None:
        typed.update({"audience": "saved", "segment_id": str(found.segment.id)})
    return await _page(ask, None, kind, base if "audience" in base else {}, typed)


async def make(ask: Ask) -> web.Response:
    """It is made, or shown again with what it would do."""
    kind = _kind(ask)

    async def work(wave: dict[str, Any]) -> int:
        source = {"name": ask.text("name", 100), "owner": ask.text("owner", 64) or None,
                  "test_first": ask.text("test_first") == "yes", "waves": [wave]}  # fmt: skip
        made = await campaigns.make_campaign(ask.ctx, parse(CampaignDraft, source), by(ask))
        await ask.note("campaigns.make", f"campaign {made.id}", {"name": made.name})
        return made.id or 0

    return await _save(ask, None, kind, {}, work, "made")


async def show_wave(ask: Ask) -> web.Response:
    """A wave of one that was not started, or a new one of it."""
    told, wave = await _find_wave(ask)
    typed = fields_of(ask, wave)
    return await _page(ask, told, wave["kind"], wave, typed)


async def save_wave(ask: Ask) -> web.Response:
    """The wave was changed."""
    told, before = await _find_wave(ask)
    campaign_id = ask.path_number()

    async def work(wave: dict[str, Any]) -> int:
        source = {**told, "waves": [wave if each["id"] == before.get("id") else each for each in told["waves"]]}
        if "id" not in before:
            source["waves"] = [*told["waves"], wave]
        await _rewrite(ask, campaign_id, source, "campaigns.edit")
        return campaign_id

    return await _save(ask, told, before["kind"], before, work, "saved")


async def remove_wave(ask: Ask) -> web.Response:
    """The wave is not wanted any more."""
    told, wave = await _find_wave(ask)
    campaign_id = ask.path_number()
    source = {**told, "waves": [each for each in told["waves"] if each["id"] != wave.get("id")]}
    await _rewrite(ask, campaign_id, source, "campaigns.edit")
    return ask.go(f"{PATH}/{campaign_id}", "removed")


async def show_head(ask: Ask) -> web.Response:
    """What a campaign is called and who is told of it."""
    campaign = await find_mine(ask, ask.path_number())
    typed: MultiDict[Any] = MultiDict(name=campaign.name, owner=campaign.owner, version=str(campaign.version))
    if campaign.test_first:
        typed["test_first"] = "yes"
    return ask.show("campaign_head", campaign=campaign, typed=typed, problems={})


async def save_head(ask: Ask) -> web.Response:
    """That was changed."""
    campaign_id = ask.path_number()
    campaign = await find_mine(ask, campaign_id)
    told = await ask.db.read(campaign_edits.export_campaign, campaign_id)
    source = {**told, "name": ask.text("name", 100), "owner": ask.text("owner", 64) or None,
              "test_first": ask.text("test_first") == "yes"}  # fmt: skip
    try:
        await _rewrite(ask, campaign_id, source, "campaigns.edit")
    except (InvalidRuleError, ConflictError) as error:
        problems = _problems(ask, error)
        return ask.show(
            "campaign_head", _status(error), campaign=campaign, typed=ask.form, problems=place_problems(problems)
        )
    return ask.go(f"{PATH}/{campaign_id}", "saved")


async def show_times(ask: Ask) -> web.Response:
    """The next runs of what is chosen in a form, as it is edited."""
    return ask.show("campaign_times", **_times(ask))


async def _rewrite(ask: Ask, campaign_id: int, source: Mapping[str, Any], action: str) -> None:
    waves = [await narrow(ask.ctx, ask.account, each) for each in source["waves"]]
    version = ask.number("version") or 0
    told = await campaign_edits.rewrite_campaign(ask.ctx, campaign_id, version, {**source, "waves": waves})
    before, after = {"version": version}, {"version": told.campaign.version, "name": told.campaign.name}
    await ask.note(action, f"campaign {campaign_id}", after, before)


def _kind(ask: Ask) -> str:
    kind = ask.request.query.get("kind", "")
    return kind if kind in EDITORS else CUSTOMERS


async def _find_wave(ask: Ask) -> tuple[dict[str, Any], dict[str, Any]]:
    """A campaign's definition and the wave of it that the address names; a new one without a number."""
    campaign_id = ask.path_number()
    await find_mine(ask, campaign_id)
    told = await ask.db.read(campaign_edits.export_campaign, campaign_id)
    if ask.request.match_info["wave"] == "new":
        return told, {"kind": _kind(ask)}
    wave_id = ask.path_number("wave")
    for wave in told["waves"]:
        if wave["id"] == wave_id:
            return told, wave
    raise NotFoundError(Phrase("没有编号为 %(wave_id)s 的波次。", wave_id=wave_id), Phrase("请在群发计划里核对。"))


def _problems(ask: Ask, error: Exception) -> Sequence[Problem]:
    if isinstance(error, InvalidRuleError):
        return error.problems
    assert isinstance(error, ConflictError)
    return [Problem("", ask.told(error))]


def _status(error: Exception) -> int:
    return 400 if isinstance(error, InvalidRuleError) else 409


async def _save(
    ask: Ask, told: Mapping[str, Any] | None, kind: str, base: Mapping[str, Any], work: Any, said: str
) -> web.Response:
    """Do what the pressed button says: show what it would do, add a version or a condition, or save it."""
    more = ask.text("do") == "variant"
    if more or "preview" in ask.form or ask.text("segment.do", 100):
        return await _page(ask, told, kind, base, ask.form, more=more)
    try:
        wanted = await read_wave(ask, kind, base)
        wave = await narrow(ask.ctx, ask.account, wanted)
        if ask.text("do") == "preview":
            return await _page(ask, told, kind, base, ask.form, preview=await _preview(ask, wave))
        said = "narrowed" if _customers_of(wave) < _customers_of(wanted) else said
        return ask.go(f"{PATH}/{await work(wave)}", said)
    except (InvalidRuleError, ConflictError) as error:
        return await _page(ask, told, kind, base, ask.form, _status(error), problems=_problems(ask, error))


def _customers_of(wave: Mapping[str, Any]) -> int:
    """How many customers are on its list."""
    audience = wave.get("audience") or {}
    listed = [each["external_userid"] for each in audience.get("pairs") or ()]
    return len({*listed, *(audience.get("external_userids") or ())})


async def _preview(ask: Ask, wave: Mapping[str, Any]) -> dict[str, Any]:
    """What a wave would do now, with the names of the customers that it names."""
    source = {name: value for name, value in wave.items() if name != "id"}
    told = await campaigns.tell_draft(ask.ctx, parse_as(campaigns.WAVE, source))
    whom = [each["external_userid"] for each in told.get("sample") or ()]
    return {**told, "names": await ask.db.read(rows.map_customer_names, whom)}


def _times(ask: Ask) -> dict[str, Any]:
    problems: list[Problem] = []
    source = read_timing(ask, problems)
    try:
        if problems:
            raise InvalidRuleError(problems)
        timing = parse(Timing, source)
        found = timings.problems(timing, ask.now, calendar_of(ask.settings))
    except InvalidRuleError as error:
        return {"times": [], "in_words": "", "wrong": [each.message for each in error.problems]}
    if found:
        return {"times": [], "in_words": "", "wrong": [each.message for each in found]}
    wrong = timings.warnings(timing, ask.number("valid_hours") or 72, ask.now, calendar_of(ask.settings))
    return {
        "times": words.next_runs(ask, timing, ask.now), "wrong": wrong,
        "in_words": words.cron_words(ask, timing.cron) if timing.cron else "",
    }  # fmt: skip


async def _page(
    ask: Ask,
    told: Mapping[str, Any] | None,
    kind: str,
    base: Mapping[str, Any],
    typed: MultiDict[Any],
    status: int = 200,
    *,
    problems: Sequence[Problem] = (),
    preview: Mapping[str, Any] | None = None,
    more: bool = False,
) -> web.Response:
    placed = place_problems(problems)
    values: dict[str, Any] = {"kind": kind, "words": words, "preview": preview, "person": await names_of(ask)}
    if ask.is_htmx:
        # The form stays as it is; what is wrong stands where the preview would.
        told_wrong = [each.message for each in problems]
        return ask.show("campaign_preview", **values, wrong=told_wrong)
    is_typed = typed is ask.form
    choices = await ask.db.read(partial(_read_choices, account=ask.account))
    times_of = ask if is_typed else _typed(ask, typed)
    return ask.show(
        "campaign_form", status, told=told, wave=base, typed=typed, problems=placed, wrong=[],
        editors=await _editors(ask, kind, base, content_problems(problems), is_typed=is_typed, more=more),
        times=_times(times_of), listed=_listed_of(base), **choices, **values,
        chosen={name: members_of(times_of, name) for name in MEMBERS},
        keeps=bool(base) and fields_of(ask, base).get("audience") == "keep",
        segment=await segment_fields(ask, base, is_typed=is_typed) if kind == CUSTOMERS else None,
        version=ask.text("version") or (told or {}).get("version", ""),
    )  # fmt: skip


def _typed(ask: Ask, typed: MultiDict[Any]) -> Ask:
    return Ask(ask.request, ask.parts, ask.reader, typed)


async def _editors(
    ask: Ask, kind: str, base: Mapping[str, Any], problems: Sequence[Problem], *, is_typed: bool, more: bool
) -> list[tuple[str, Editor]]:
    """(prefix of its fields, editor) of what a wave says: of one text, or of each version."""
    name = EDITORS[kind]
    variants = base.get("variants") or ()
    numbers = [number for number in range(VARIANTS_MAX) if f"variants[{number}].name" in ask.form]
    count = len(numbers) if is_typed else len(variants)
    if more:
        # The text that there was becomes the first version.
        count = min(count + 1, VARIANTS_MAX) if count else 2
    if not count:
        source = read_message(ask.form, "content", name) if is_typed else base.get("content") or {}
        return [("", await make_editor(ask, name, source, problems))]
    found = []
    for number in range(count):
        prefix = f"variants[{number}]"
        source = variants[number]["content"] if not is_typed and number < len(variants) else {}
        if is_typed:
            source = read_message(ask.form, f"{prefix}.content", name)
            if more and not numbers and number == 0:
                source = read_message(ask.form, "content", name)
        found.append((prefix, await make_editor(ask, name, source, problems, prefix=f"{prefix}.content")))
    return found


def _listed_of(base: Mapping[str, Any]) -> int:
    """How many are on the list that a wave has."""
    audience = base.get("audience") or {}
    return sum(len(audience.get(name) or ()) for name in ("pairs", "external_userids"))


def _read_choices(session: Session, account: Any) -> dict[str, Any]:
    """What there is to choose from."""
    visible = list_visible(session, account)
    departments = staff_rows.list_departments(session)
    places = staff_rows.map_places(session)
    members = sorted(places if visible is None else visible & places.keys())
    return {
        "segments": segment_rows.list_segments(session), "departments": departments,
        "tag_groups": _grouped(tag_rows.list_tags(session)),
        "members": [Option(userid, places[userid].name or userid) for userid in members],
    }  # fmt: skip


def _grouped(tags: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for each in tags:
        found.setdefault(str(each["group_name"]), []).append(each)
    return found
