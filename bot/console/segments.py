"""Segments: saved ones, their fields, and how many they have while these are edited."""

from __future__ import annotations

from functools import partial

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.segment_forms import PREFIX, Fields, open_fields, read_fields
from bot.rule_edits import save_segment
from data.errors import ConflictError
from data.queries import segment_names as saved_rows
from data.queries import segments as rows
from data.queries.roster_uses import RosterUse
from data.queries.segment_estimates import estimate
from data.queries.segment_uses import list_same
from data.rules.problems import InvalidRuleError, parse
from data.rules.segments import Node, Segment

PATH = "/console/segments"
#: Asks for a count and not for an estimate.
EXACT = "exact"


async def show_list(ask: Ask) -> web.Response:
    """The saved ones."""
    return ask.show("segments", segments=await ask.db.read(saved_rows.list_segments))


async def show_new(ask: Ask) -> web.Response:
    """An empty one to be made, or with the conditions that were just edited elsewhere."""
    fields = await read_fields(ask) if ask.form else await open_fields(ask)
    return ask.show("segment", segment=None, name=ask.text("name"), fields=fields, uses=[], fault="")


async def make(ask: Ask) -> web.Response:
    """Keep a new one."""
    return await _save(ask, 0)


async def show_one(ask: Ask) -> web.Response:
    """One to be changed, with who asks the same."""
    segment, uses = await ask.db.read(partial(_read, ask.path_number()))
    fields = await open_fields(ask, segment.definition)
    return ask.show("segment", segment=segment, name=segment.name, fields=fields, uses=uses, fault="")


async def change(ask: Ask) -> web.Response:
    """Another name, or other conditions."""
    return await _save(ask, ask.path_number())


async def remove(ask: Ask) -> web.Response:
    """Keep it no more."""
    segment_id = ask.path_number()
    await ask.change(
        "segments.remove", f"segment {segment_id}", partial(saved_rows.delete_segment, segment_id=segment_id),
        partial(_look, segment_id),
    )  # fmt: skip
    return ask.go(PATH, "removed")


async def count_saved(ask: Ask) -> web.Response:
    """How many a saved one has just now."""
    segment = await ask.db.read(saved_rows.get_segment, ask.path_number())
    return await _told(ask, segment.definition, again=ask.request.path)


async def _save(ask: Ask, segment_id: int) -> web.Response:
    fields, name = await read_fields(ask), ask.text("name", 65)
    segment, uses = await ask.db.read(partial(_read, segment_id)) if segment_id else (None, [])
    fault = ""
    if not fields.pressed and fields.tree is not None:
        try:
            wanted = parse(Segment, {"id": segment_id, "name": name, "definition": fields.tree})
            await ask.change(
                "segments.change" if segment_id else "segments.make", f"segment {segment_id or name}",
                partial(save_segment, segment=wanted, now=ask.now), partial(_look, segment_id),
            )  # fmt: skip
            return ask.go(PATH, "saved" if segment_id else "made")
        except InvalidRuleError as error:
            fault = ask.told(error)
        except ConflictError as error:
            fault = ask.told(error.message)
    status = 200 if fields.pressed else 400
    return ask.show("segment", status, segment=segment, name=name, fields=fields, uses=uses, fault=fault)


def _read(segment_id: int, session: Session) -> tuple[Segment, list[RosterUse]]:
    segment = saved_rows.get_segment(session, segment_id)
    return segment, list_same(session, segment.definition)


def _look(segment_id: int, session: Session) -> dict[str, object] | None:
    if not segment_id:
        return None
    found = [each for each in saved_rows.list_segments(session) if each.id == segment_id]
    return found[0].model_dump(mode="json") if found else None


async def show_fields(ask: Ask) -> web.Response:
    """The fields again, after one of the editor's buttons was pressed."""
    fields = await read_fields(ask, ask.text("prefix") or PREFIX)
    answer = ask.show("segment_part", fields=fields)
    answer.headers["HX-Trigger-After-Settle"] = "segment-changed"
    return answer


async def show_count(ask: Ask) -> web.Response:
    """How many customers and follows the segment has that stands in the form, as far as who asks may see them."""
    fields = await read_fields(ask, ask.text("prefix") or PREFIX)
    tree = fields.tree
    if tree is None:
        return ask.show("segment_count", fault=first_fault(fields), count=None)
    return await _told(ask, tree)


async def _told(ask: Ask, tree: Node, again: str = "") -> web.Response:
    """About how many at first, where counting takes long; the page then asks `again` for all of them."""
    exact = bool(ask.text(EXACT) or ask.request.query.get(EXACT))

    def count(session: Session) -> rows.Counted | int:
        visible = ask.visible(session)
        about = None if exact else estimate(session, tree, ask.now, ask.zone, visible)
        return rows.count_both(session, tree, ask.now, ask.zone, visible) if about is None else about

    # Whoever edits goes on meanwhile: an estimate does not wait for a count of what stood there before.
    async with ask.parts.turns.take(f"{ask.reader.digest}{EXACT if exact else ''}") as is_mine:
        if not is_mine:
            return web.Response(status=204)
        found = await ask.db.read(count)
    if isinstance(found, int):
        return ask.show("segment_count", fault="", count=None, about=rounded(found), again=again)
    return ask.show("segment_count", fault="", count=found)


def rounded(number: int) -> int:
    """To two digits, as exact as an estimate is."""
    return round(number, 2 - len(str(number)))


def first_fault(fields: Fields) -> str:
    """One of the things that are wrong with a segment, in words."""
    waiting = list(fields.rows)
    for row in waiting:
        waiting += row.rows
        for words in row.faults.values():
            return words
    return (fields.faults or [""])[0]
