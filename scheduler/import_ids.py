"""Ids of another provider's app in an imported table, which WeCom converts: customers one a call, members a thousand.

What WeCom said is kept: whoever dies goes on with the rest, and rows that are looked at anew ask nothing again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from bot.context import Context
from bot.errors import SiyuError
from bot.phrases import Phrase
from bot.wecom.errors import CredentialsError, QuotaError, WeComError
from data.queries import import_ids as rows
from data.rules.imports import Given
from data.rules.markings import ends_all

#: Calls at the same time; ids after which what WeCom said is written; members' ids of one call.
IN_FLIGHT, PIECE, MEMBERS_AT_ONCE = 16, 100, 1000
#: WeCom knows no such customer or member, or nobody in the range of both apps has them.
NOBODY = frozenset({40003, 40096, 60111, 84061})
_CUSTOMER = re.compile(r"w[mo][A-Za-z0-9_-]{10,62}")
_MEMBER = re.compile(r"wo[A-Za-z0-9_-]{10,62}")


class WaitsError(SiyuError):
    """It goes on later by itself."""


class StopsError(SiyuError):
    """It cannot go on without a person."""


def raise_if_of_all(error: WeComError) -> None:
    """Raises where WeCom would refuse all that is left in the same way, or is to be asked again later."""
    if ends_all(error.errcode) or isinstance(error, CredentialsError | QuotaError):
        raise StopsError(str(error)) from error
    if error.retryable:
        raise WaitsError(str(error)) from error


class Converter:
    """Ids of the app `agentid` in one import. `members`: userids by what the file calls them."""

    def __init__(self, ctx: Context, import_id: int, agentid: int, members: Mapping[str, str]) -> None:
        self._ctx, self._import_id, self._agentid = ctx, import_id, agentid
        self.members = dict(members)
        self._nobody = set[str]()

    async def convert(self, given: Sequence[Given], known: Collection[str]) -> tuple[list[Given], set[str]]:
        """Rows with the company's own ids of customers, and the ids for which WeCom has none. `known`: what members are
        called here."""
        wanted = {each.staff for each in given if _MEMBER.fullmatch(each.staff) and each.staff.casefold() not in known}
        await self._ask_members(wanted - self.members.keys() - self._nobody)
        told = {each.external_userid for each in given if _CUSTOMER.fullmatch(each.external_userid)}
        strangers = await self._ctx.db.read(rows.list_strangers, told)
        found = await self._known(strangers)
        for some in _pieces(strangers - found.keys(), PIECE):
            found |= await self._ask_customers(some)
        turned = [
            replace(each, external_userid=found.get(each.external_userid) or each.external_userid) for each in given
        ]
        return turned, {each for each in strangers if not found[each]}

    async def _known(self, told: Collection[str]) -> dict[str, str]:
        return await self._ctx.db.read(rows.map_ids, self._import_id, self._agentid, told)

    async def _ask_customers(self, told: Sequence[str]) -> dict[str, str]:
        flying = asyncio.Semaphore(IN_FLIGHT)
        answers = await asyncio.gather(*(self._ask_customer(flying, each) for each in told), return_exceptions=True)
        found = {each: said for each, said in zip(told, answers, strict=True) if isinstance(said, str)}
        await self._ctx.db.write(rows.save_ids, self._import_id, self._agentid, sorted(found.items()))
        for said in answers:
            if isinstance(said, BaseException):
                raise said
        return found

    async def _ask_customer(self, flying: asyncio.Semaphore, told: str) -> str:
        async with flying:
            try:
                answer = await self._ctx.wecom.external_contact.from_service_external_userid(told, self._agentid)
            except WeComError as error:
                if error.errcode in NOBODY:
                    return ""
                raise self._refusal(error) from error
        return str(answer.get("external_userid") or "")

    async def _ask_members(self, told: Collection[str]) -> None:
        known = await self._known(told)
        for some in _pieces(told - known.keys(), MEMBERS_AT_ONCE):
            try:
                answer = await self._ctx.wecom.user.openuserid_to_userid(some, self._agentid)
            except WeComError as error:
                raise self._refusal(error) from error
            said = {str(each["open_userid"]): str(each["userid"]) for each in answer.get("userid_list") or []}
            known |= {each: said.get(each, "") for each in some}
            await self._ctx.db.write(
                rows.save_ids, self._import_id, self._agentid, [(each, known[each]) for each in some], members=True
            )
        self.members |= {each: userid for each, userid in known.items() if userid}
        self._nobody |= {each for each, userid in known.items() if not userid}

    def _refusal(self, error: WeComError) -> SiyuError:
        if error.retryable:
            return WaitsError(str(error))
        if ends_all(error.errcode) or isinstance(error, QuotaError):
            return StopsError(str(error))
        return StopsError(
            Phrase(
                "企业微信不换算应用 %(agentid)s 的编号：%(why)s。请核对旧工具的 agentid"
                "（企业微信管理后台的应用详情里有），在下面改好后再检查一次；改成 0 就不换算。",
                agentid=self._agentid,
                why=str(error),
            )
        )


def _pieces(told: Collection[str], size: int) -> Iterator[list[str]]:
    some = sorted(told)
    for start in range(0, len(some), size):
        yield some[start : start + size]
