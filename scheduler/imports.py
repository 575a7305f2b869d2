"""Imports worked on in the background: whom each row is about, what it would change, and then that it does.

Rows say themselves how far they are, and what is done is compared with what is there: whoever dies is replaced, goes on
behind the last piece, and does nothing twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from sqlmodel import Session

from bot.context import Context
from bot.errors import ObservingError
from bot.imports import read_file
from bot.logs import get_logger
from bot.phrases import Phrase
from bot.remarks import change_remark
from bot.tag_edits import add_tags
from bot.wecom.errors import WeComError
from data.errors import ConflictError, NotFoundError
from data.models import Import, ImportRow, ImportStatus, RowState
from data.queries import import_facts, import_ids, import_rows, import_writes
from data.queries import imports as rows
from data.queries.import_rows import Judged
from data.rules.import_cells import read_row
from data.rules.import_plans import (
    NOBODY,
    NOT_CONVERTED,
    NOT_OURS,
    NOT_YET,
    Changes,
    CustomerNow,
    Tally,
    choose,
    compare,
    follow_fault,
    named_follows,
)
from data.rules.imports import Fault, Given, Options, Tag
from data.rules.orders import OrderGiven
from data.rules.problems import InvalidRuleError, parse
from data.rules.remarks import Remark
from data.rules.tags import TAGS_PER_CALL, NewTag, NewTags
from scheduler.import_ids import Converter, StopsError, WaitsError, raise_if_of_all
from scheduler.import_scope import Scope, read_scope
from scheduler.leases import LeaseHeldError, alone

log = get_logger("imports")

LEASE = "imports"
#: Rows that are looked at in one go; rows whose customers are written in one go.
CHUNK, PIECE = 500, 100
#: Customers whose remarks are changed at the same time.
IN_FLIGHT = 16
#: A call waits for its budget as long as WeCom's longest usual pause, an hour, and then some.
CALL_SECONDS = 2 * 3600.0
WHOLE_ROW = -1
GONE = Phrase("这位客户已经不在了（或者不在您能看到的范围内）")
NOT_PERMITTED = Phrase("提出导入的账号已停用，或者不再是经理或管理员。请由管理员重新上传。")
NOTHING = Phrase("这一行没有要导入的内容")


async def work_on_imports(ctx: Context) -> bool:
    """Work on imports until nothing can be done for any. False: there was none, or another process works on them."""
    if await ctx.db.read(rows.find_open_import) is None:
        return False
    with contextlib.suppress(LeaseHeldError):
        await alone(ctx, LEASE, lambda: _work_off(ctx))
    return True


async def _work_off(ctx: Context) -> None:
    done: set[int] = set()
    while some := [each for each in await ctx.db.read(rows.list_open_imports) if each not in done]:
        done.add(some[0])
        await Worker(ctx, some[0]).run()


async def run_import(ctx: Context, import_id: int) -> None:
    """Work on one import now. Raises LeaseHeldError while another process works on imports."""
    await alone(ctx, LEASE, Worker(ctx, import_id).run)


class Worker:
    """The work on one import."""

    def __init__(self, ctx: Context, import_id: int) -> None:
        self.ctx = ctx
        self.import_id = import_id
        # A thousand calls wait for their budget; none of them is given up for it.
        self._calling = replace(ctx, wecom=ctx.wecom.within(CALL_SECONDS))
        self._numbers: dict[Any, int] = {}
        self._converter: Converter | None = None

    async def run(self) -> None:
        """Check or apply it as far as that goes now."""
        try:
            while await self.ctx.db.write(import_rows.reset_some, self.import_id, CHUNK):
                pass
            # What is changed from now on has the rows looked at anew.
            row, self.scope = await self._read()
            if row.status == ImportStatus.READING:
                if not await self._read_file():
                    return
                row, self.scope = await self._read()
            self.row, self.options = row, parse(Options, row.options)
            await self._begin_converting()
            if row.status == ImportStatus.CHECKING:
                await self._check()
            elif row.status == ImportStatus.RUNNING:
                await self._apply()
        except WaitsError as error:
            log.info("import_waits", number=self.import_id, cause=str(error))
            await self.ctx.db.write(rows.note_error, self.import_id, str(error))
        except (StopsError, ObservingError) as error:
            log.warning("import_paused", number=self.import_id, cause=str(error))
            open_ = (ImportStatus.READING, ImportStatus.CHECKING, ImportStatus.RUNNING)
            await self._move(open_, ImportStatus.PAUSED, str(error))

    async def _begin_converting(self) -> None:
        if agentid := self.options.source_agentid:
            members = await self.ctx.db.read(import_ids.map_members, self.import_id, agentid)
            self._converter = Converter(self._calling, self.import_id, agentid, members)
            self._name_members()

    def _name_members(self) -> None:
        if self._converter is not None:
            named = {told.casefold(): frozenset({userid}) for told, userid in self._converter.members.items()}
            self.scope = replace(self.scope, staff={**self.scope.staff, **named})

    async def _read(self) -> tuple[Import, Scope]:
        row = await self.ctx.db.read(rows.get_import, self.import_id)
        scope = await self.ctx.db.read(read_scope, row.account_id)
        if scope is None:
            raise StopsError(NOT_PERMITTED)
        return row, scope

    async def _read_file(self) -> bool:
        """False: it is no table after all."""
        log.info("import_read", number=self.import_id)
        try:
            await read_file(self.ctx.db, self.import_id)
        except InvalidRuleError as error:
            log.warning("import_unreadable", number=self.import_id)
            await self._move(
                (ImportStatus.READING,), ImportStatus.CANCELLED, "；".join(p.message for p in error.problems)
            )
            return False
        return True

    async def _move(self, allowed: Sequence[ImportStatus], status: ImportStatus, error: str = "") -> None:
        # Somebody may have cancelled it meanwhile.
        with contextlib.suppress(ConflictError):
            await self.ctx.db.write(rows.move, self.import_id, allowed, status, self.ctx.clock.now(), error=error)

    # -- checking

    async def _check(self) -> None:
        log.info("import_begun", number=self.import_id, rows=self.row.rows)
        db = self.ctx.db
        while some := await db.read(import_rows.list_of_customers, self.import_id, RowState.UNREAD, CHUNK):
            judged = await self._judge(some)
            if not await db.write(import_rows.write_judged, self.import_id, ImportStatus.CHECKING, judged):
                return
        tally = Tally.from_json((await db.read(rows.get_import, self.import_id)).tally)
        while some := await db.read(import_rows.list_of_customers, self.import_id, RowState.FOUND, CHUNK):
            states = [state for group in await self._compare(some) for state in self._preview(group, tally)]
            if not await db.write(
                import_rows.write_states, self.import_id, ImportStatus.CHECKING, states, tally
            ):  # fmt: skip
                return
        await db.write(import_rows.finish_checking, self.import_id)

    async def _judge(self, some: Sequence[ImportRow]) -> list[Judged]:
        """Whom rows are about."""
        read = await self._given(some)
        strange: set[str] = set()
        rows_given = [each for each, _ in read]
        if self._converter is not None:
            rows_given, strange = await self._converter.convert(rows_given, self.scope.staff)
            self._name_members()
        given = [(each, faults) for each, (_, faults) in zip(rows_given, read, strict=True)]
        found = await self.ctx.db.read(import_facts.find_candidates, rows_given, self.scope.userids)
        numbers = [str(each.order["number"]) if each.order else "" for each, _ in given]
        lines = await self.ctx.db.read(import_rows.list_order_lines, self.import_id, {*numbers} - {""})
        judged = []
        for row, (written, _), (each, faults), candidates, number in zip(
            some, read, given, found, numbers, strict=True
        ):
            whose = row.external_userid if row.picked else ""
            first = lines.get(number, row.line) if number else row.line
            if first < row.line:
                twice = Phrase("第 %(first)s 行已经有订单 %(number)s：一个订单写一行", first=first, number=number)
                faults = [*faults, Fault(WHOLE_ROW, twice)]
            if number:
                lines[number] = min(first, row.line)
            state, why = RowState.FOUND, ""
            if faults:
                state = RowState.BAD
            elif not (each.needs_follow or each.fields or each.order):
                state, why = RowState.SAME, NOTHING
            elif not whose:
                whose, why = choose(each, candidates, self.scope.staff_of(each))
                if why == NOBODY and each.external_userid:
                    converted = each.external_userid != written.external_userid
                    why = NOT_YET if converted else NOT_CONVERTED if each.external_userid in strange else NOT_OURS
                # An order without a customer waits for one, as those that shops send do.
                waits = each.order is not None and not each.needs_follow and not each.fields
                if why and not (waits and self.scope.userids is None):
                    state = RowState.REVIEW
            told = [*faults, *([Fault(WHOLE_ROW, why)] if why and state != RowState.FOUND else [])]
            judged.append(
                Judged(
                    row.id or 0, state.value, told, whose if not faults else "",
                    each.external_userid[:64] or row.told_external_userid, each.unionid[:64] or row.unionid,
                    (each.mobiles[0] if each.mobiles else "") or row.mobile, number,
                )
            )  # fmt: skip
        return judged

    async def _given(self, some: Sequence[ImportRow]) -> list[tuple[Given, list[Fault]]]:
        return await asyncio.to_thread(lambda: [self._read_row(row) for row in some])

    def _read_row(self, row: ImportRow) -> tuple[Given, list[Fault]]:
        targets = self.row.targets
        given, faults = read_row(
            row.cells, targets, self.scope.kinds, self.ctx.settings.zone, self.options.order_source
        )
        early = [
            Fault(column, message)
            for column, message in row.read_faults
            if column == WHOLE_ROW or (column < len(targets) and targets[column])
        ]
        tag_column = targets.index("tags") if "tags" in targets else WHOLE_ROW
        late = [
            Fault(tag_column, fault)
            for tag in given.tags
            if (fault := self.scope.index.fault(tag, make=self.options.make_tags))
        ]
        spoilt = {column for column, _ in early}
        return given, [*early, *(each for each in faults if each.column not in spoilt), *late]

    async def _compare(self, some: Sequence[ImportRow]) -> list[Group]:
        """What rows change, customer by customer."""
        given = {row.id: each for row, (each, _) in zip(some, await self._given(some), strict=True)}
        numbers = {str(each.order["number"]) for each in given.values() if each.order}

        def read(session: Session) -> tuple[dict[str, CustomerNow], dict[str, Mapping[str, Any]]]:
            now = import_facts.map_now(session, {row.external_userid for row in some}, self.scope.userids)
            return now, import_facts.map_orders(session, self.options.order_source, numbers)

        now, orders = await self.ctx.db.read(read)
        groups = []
        # Rows without a customer are orders that wait for one, each by itself.
        for key, group in groupby(some, lambda row: (row.external_userid, "" if row.external_userid else row.id)):
            pairs = [(row, replace(given[row.id], external_userid=key[0])) for row in group]
            groups.append(self._group(key[0], pairs, now, orders))
        return groups

    def _group(
        self, whose: str, pairs: list[tuple[ImportRow, Given]], now: Mapping[str, CustomerNow],
        orders: Mapping[str, Mapping[str, Any]],
    ) -> Group:  # fmt: skip
        bad: list[tuple[int, str, list[Fault]]] = []
        good: list[tuple[ImportRow, Given]] = []
        for row, each in pairs:
            fault = "" if not whose or whose in now else GONE
            customer = now.get(whose, CustomerNow())
            fault = fault or follow_fault(each, named_follows(each, customer, self.scope.staff_of(each)))
            if fault:
                bad.append((row.id or 0, RowState.BAD.value, [Fault(WHOLE_ROW, fault)]))
            else:
                good.append((row, each))
        changes = compare(
            [(each, self.scope.staff_of(each)) for _, each in good], now.get(whose, CustomerNow()), orders,
            self.scope.index, overwrite=self.options.overwrite,
        )  # fmt: skip
        return Group(whose, [row.id or 0 for row, _ in good], bad, changes)

    @staticmethod
    def _preview(group: Group, tally: Tally) -> list[tuple[int, str, Sequence[Any]]]:
        tally.note(group.changes)
        state = RowState.SAME if group.changes.is_empty else RowState.READY
        return [*((id_, state.value, []) for id_ in group.ids), *group.bad]

    # -- applying

    async def _apply(self) -> None:
        db = self.ctx.db
        self._numbers = await db.write(import_writes.read_numbers, self.import_id)
        log.info("import_applied", number=self.import_id, resumed=bool(self._numbers))
        while some := await db.read(import_rows.list_of_customers, self.import_id, RowState.READY, PIECE):
            groups = await self._compare(some)
            if missing := {tag: None for group in groups for tag in group.changes.missing}:
                await self._make_tags(list(missing))
                groups = await self._compare(some)
            if not await self._write(groups):
                return
        await db.write(rows.note_error, self.import_id, "")
        if await db.write(import_writes.start_tags, self.import_id, self.ctx.clock.now()):
            await self._move((ImportStatus.RUNNING,), ImportStatus.DONE)
            log.info("import_ended", number=self.import_id)

    async def _write(self, groups: Sequence[Group]) -> bool:
        """Write the changes of some customers. False: the import is not to go on."""
        if self.ctx.observes and any(group.changes.tags or group.changes.remarks for group in groups):
            raise ObservingError
        fields = {group.whose: group.changes.fields for group in groups if group.changes.fields}
        orders = [parse(OrderGiven, order) for group in groups for order in group.changes.orders]
        written = await self.ctx.db.write(import_writes.write_own, self.import_id, fields, orders, self.ctx.clock.now())
        if not written.goes_on:
            return False
        faults = dict(written.faults)
        flying = asyncio.Semaphore(IN_FLIGHT)
        noted = await asyncio.gather(
            *(self._note_remarks(flying, group) for group in groups if group.changes.remarks), return_exceptions=True
        )
        for failure in noted:
            if isinstance(failure, BaseException):
                raise failure
            if isinstance(failure, tuple):
                faults.setdefault(*failure)
        states: list[tuple[int, str, Sequence[Any]]] = []
        for group in groups:
            states += group.bad
            state, told = RowState.DONE, list[Fault]()
            if group.whose in faults:
                state, told = RowState.FAILED, [Fault(WHOLE_ROW, faults[group.whose])]
            states += [(id_, state.value, told) for id_ in group.ids]
        tags = {follow_id: frozenset(each) for group in groups for follow_id, each in group.changes.tags.items()}
        new = await self.ctx.db.write(
            import_writes.note_piece, self.import_id, states, tags, self._numbers, self.ctx.clock.now()
        )
        if new is None:
            return False
        self._numbers |= new
        return True

    async def _note_remarks(self, flying: asyncio.Semaphore, group: Group) -> tuple[str, str] | None:
        """The customer and why, where what members note of them could not be written."""
        async with flying:
            for userid, remark in group.changes.remarks.items():
                try:
                    await self._change_remark(userid, group.whose, remark)
                except (InvalidRuleError, NotFoundError) as error:
                    return group.whose, Phrase("备注没有写成：%(why)s", why=error.message)
                except WeComError as error:
                    raise_if_of_all(error)
                    return group.whose, Phrase("备注没有写成：%(why)s", why=str(error))
        return None

    async def _change_remark(self, userid: str, whose: str, remark: Remark) -> None:
        await change_remark(self._calling, userid, whose, remark)

    async def _make_tags(self, missing: Sequence[Tag]) -> None:
        """Make tags that do not exist."""
        if not self.options.make_tags:
            raise StopsError(Phrase("有标签在检查之后被删除了。请取消后再上传一次，或者选择自动新建缺少的标签。"))
        by_group: dict[str, list[str]] = {}
        for tag in missing:
            by_group.setdefault(tag.group or self.options.tag_group, []).append(tag.name)
        for group, names in by_group.items():
            for start in range(0, len(names), TAGS_PER_CALL):
                asked = NewTags(
                    group_name=group, tags=tuple(NewTag(name=name) for name in names[start : start + TAGS_PER_CALL])
                )
                try:
                    await add_tags(self._calling, asked)
                except ConflictError as error:
                    # Made meanwhile by somebody else, or by us just before we died: they are read again.
                    raise WaitsError(str(error)) from error
                except InvalidRuleError as error:
                    raise StopsError(Phrase("标签新建不了：%(why)s", why=error.message)) from error
                except WeComError as error:
                    raise_if_of_all(error)
                    raise StopsError(Phrase("标签新建不了：%(why)s", why=str(error))) from error
        self.scope = replace(self.scope, index=await self.ctx.db.read(import_facts.read_tag_index))


@dataclass(frozen=True)
class Group:
    """The rows about one customer: numbers of those that count, those that do not with why, and what they change."""

    whose: str
    ids: list[int]
    bad: list[tuple[int, str, list[Fault]]]
    changes: Changes
