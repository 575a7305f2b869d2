"""A row of an imported table as what it says: dates, numbers, states of orders as people write them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from bot.phrases import Phrase
from data.rules.fields import BIRTHDAY, FieldKind, read_values
from data.rules.imports import (
    CELL_MAX_LENGTH,
    DESCRIPTION,
    EXTERNAL_USERID,
    FIELD,
    MOBILE,
    NAME,
    ORDER_AMOUNT,
    ORDER_ITEM,
    ORDER_NUMBER,
    ORDER_PLACED_AT,
    ORDER_STATUS,
    REMARK,
    REMARK_MOBILE,
    STAFF,
    TAGS,
    UNIONID,
    Fault,
    Given,
    read_tags,
    text_fault,
)
from data.rules.orders import OrderGiven, OrderStatus
from data.rules.problems import InvalidRuleError, parse
from data.rules.remarks import MOBILES_MAX
from data.rules.texts import normalised_mobile

_DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?")
_COMPACT_DAY = re.compile(r"(\d{4})(\d{2})(\d{2})")
_YEARLESS = re.compile(r"(\d{1,2})[-/.月](\d{1,2})日?")
_YES = frozenset({"是", "有", "对", "真", "yes", "y", "true", "1", "√", "✓"})
_NO = frozenset({"否", "无", "没有", "不", "假", "no", "n", "false", "0", "×"})
#: How shops call the state of an order.
STATUSES: Mapping[str, OrderStatus] = {
    word: status
    for status, words in {
        OrderStatus.PLACED: "placed 待付款 未付款 待支付 未支付 已下单 等待买家付款",
        OrderStatus.PAID: "paid 已付款 已支付 待发货 已发货 待收货 付款成功 支付成功 买家已付款 卖家已发货",
        OrderStatus.FINISHED: "finished completed 已完成 交易成功 交易完成 已签收 已收货 完成",
        OrderStatus.REFUNDED: "refunded 已退款 退款成功 全额退款 已退货",
        OrderStatus.CANCELLED: "cancelled canceled closed 已取消 已关闭 交易关闭 取消 关闭",
    }.items()
    for word in words.split()
}
_ORDER_COLUMNS = {"number": ORDER_NUMBER, "amount_fen": ORDER_AMOUNT, "placed_at": ORDER_PLACED_AT, "items": ORDER_ITEM}
_MOBILE_DIGITS = range(5, 21)
NO_AMOUNT = Phrase("不是金额：应为 128 或 128.50，单位元，不能是负数")
NO_MOMENT = Phrase("不是时间：应为 2026-03-04 10:00 或 2026/3/4")
NO_DATE = Phrase("不是日期：应为 2026-03-04 或 2026/3/4")
NO_STATUS = Phrase("不认识的订单状态：应为 待付款、已付款、已完成、已退款或已取消")


def read_flag(text: str) -> bool | None:
    """A yes or no as people write it; None: it is neither."""
    plain = unicodedata.normalize("NFKC", text).strip().casefold()
    return True if plain in _YES else False if plain in _NO else None


def read_moment(text: str, zone: tzinfo) -> datetime | None:
    """An instant as tables have it, by the wall clock of `zone`: `2026-03-04 10:00`, `2026/3/4`, `2026年3月4日`."""
    plain = unicodedata.normalize("NFKC", text).strip()
    match = _DAY.fullmatch(plain) or _COMPACT_DAY.fullmatch(plain)
    if match is None:
        return None
    parts = [int(each or 0) for each in match.groups()] + [0, 0, 0]
    try:
        year, month, day, hour, minute, second = parts[:6]
        return datetime.combine(date(year, month, day), time(hour, minute, second), zone)
    except ValueError:
        return None


def read_row(
    cells: Sequence[str], targets: Sequence[str], kinds: Mapping[str, FieldKind], zone: tzinfo, source: str
) -> tuple[Given, list[Fault]]:
    """What a row says, and what is wrong with it by column. Empty cells say nothing."""
    reader = _Reader(kinds, zone)
    for column, target in enumerate(targets):
        text = cells[column] if column < len(cells) else ""
        if target and text:
            reader.read(column, target, text)
    if any(name in reader.order for name in (ORDER_NUMBER, ORDER_AMOUNT, ORDER_PLACED_AT)):
        reader.read_order(targets, source)
    elif reader.order:
        reader.order.clear()
    return reader.given(), reader.faults


class _Reader:
    """What was read of one row so far."""

    def __init__(self, kinds: Mapping[str, FieldKind], zone: tzinfo) -> None:
        self._kinds, self._zone = kinds, zone
        self.faults: list[Fault] = []
        self._texts: dict[str, str] = {}
        self._mobiles: dict[str, None] = {}
        self._remark_mobiles: dict[str, None] = {}
        self._tags: dict[Any, None] = {}
        self._fields: dict[str, Any] = {}
        self.order: dict[str, Any] = {}
        self._order: dict[str, Any] | None = None

    def given(self) -> Given:
        """The row."""
        texts = self._texts
        return Given(
            external_userid=texts.get(EXTERNAL_USERID, ""),
            unionid=texts.get(UNIONID, ""),
            mobiles=tuple({**self._mobiles, **self._remark_mobiles}),
            name=texts.get(NAME, ""),
            staff=texts.get(STAFF, ""),
            tags=tuple(self._tags),
            remark=texts.get(REMARK, ""),
            description=texts.get(DESCRIPTION, ""),
            remark_mobiles=tuple(self._remark_mobiles),
            fields=self._fields,
            order=self._order,
        )

    def read(self, column: int, target: str, text: str) -> None:
        """One cell."""
        if len(text) > CELL_MAX_LENGTH:
            self._fault(column, Phrase("超过 %(most)s 个字：请缩短", most=f"{CELL_MAX_LENGTH:,}"))
        elif target == TAGS:
            tags, fault = read_tags(text)
            self._tags |= dict.fromkeys(tags)
            self._fault(column, fault)
        elif target in (MOBILE, REMARK_MOBILE):
            self._read_mobiles(column, target, text)
        elif target == BIRTHDAY or target.startswith(FIELD):
            self._read_field(column, target.removeprefix(FIELD), text)
        elif target in (ORDER_NUMBER, ORDER_AMOUNT, ORDER_PLACED_AT, ORDER_STATUS, ORDER_ITEM):
            self._read_order_cell(column, target, text)
        else:
            self._texts[target] = text
            self._fault(column, text_fault(target, text))

    def _fault(self, column: int, message: str) -> None:
        if message:
            self.faults.append(Fault(column, message))

    def _read_mobiles(self, column: int, target: str, text: str) -> None:
        for part in re.split(r"[、，,;；|/\n]+", text):
            if not part.strip():
                continue
            mobile = normalised_mobile(part)
            if len(mobile) not in _MOBILE_DIGITS or re.search(r"[A-Za-z\u4e00-\u9fff*]", part):
                self._fault(column, Phrase("不是完整的手机号：请填写完整的号码（带 * 的号码不能用）"))
                return
            (self._remark_mobiles if target == REMARK_MOBILE else self._mobiles)[mobile] = None
        if len(self._remark_mobiles) > MOBILES_MAX:
            self._fault(column, Phrase("备注电话最多 %(most)s 个：请删掉多余的", most=MOBILES_MAX))

    def _read_field(self, column: int, name: str, text: str) -> None:
        kind = None if name == BIRTHDAY else self._kinds.get(name)
        if name != BIRTHDAY and kind is None:
            self._fault(column, Phrase("没有这个字段：请先定义，或者把这一列设为不导入"))
            return
        value, fault = _field_value(kind, text, self._zone)
        if not fault:
            try:
                read_values({name: value}, self._kinds)
                self._fields[name] = value
            except InvalidRuleError as error:
                for each in error.problems:
                    self._fault(column, each.message)
        self._fault(column, fault)

    def _read_order_cell(self, column: int, target: str, text: str) -> None:
        value: Any = text
        if target == ORDER_AMOUNT:
            value = _fen(text)
            self._fault(column, "" if value is not None else NO_AMOUNT)
        elif target == ORDER_PLACED_AT:
            value = read_moment(text, self._zone)
            self._fault(column, "" if value else NO_MOMENT)
        elif target == ORDER_STATUS:
            value = STATUSES.get(unicodedata.normalize("NFKC", text).casefold().replace(" ", ""))
            self._fault(column, "" if value else NO_STATUS)
        self.order[target] = value

    def read_order(self, targets: Sequence[str], source: str) -> None:
        """All cells were read: what they say of an order."""
        missing = [each for each in (ORDER_NUMBER, ORDER_AMOUNT, ORDER_PLACED_AT) if each not in self.order]
        for each in missing:
            self._fault(targets.index(each), Phrase("订单要有订单号、金额和下单时间：请补上"))
        if missing or any(value is None for value in self.order.values()):
            return
        amount, item = self.order[ORDER_AMOUNT], self.order.get(ORDER_ITEM)
        given = {
            "source": source,
            "number": self.order[ORDER_NUMBER],
            "status": self.order.get(ORDER_STATUS, OrderStatus.PAID).value,
            "amount_fen": amount,
            "placed_at": self.order[ORDER_PLACED_AT],
            "items": [{"name": item, "count": 1, "amount_fen": amount}] if item else [],
        }
        try:
            parse(OrderGiven, given)
            self._order = given
        except InvalidRuleError as error:
            for problem in error.problems:
                target = _ORDER_COLUMNS.get(re.split(r"[.\[]", problem.path)[0], ORDER_NUMBER)
                self._fault(targets.index(target) if target in targets else 0, problem.message)


def _field_value(kind: FieldKind | None, text: str, zone: tzinfo) -> tuple[Any, str]:
    """A value as `read_values` takes it, and what is wrong with the text; `kind` None is the birthday."""
    plain = unicodedata.normalize("NFKC", text).strip()
    match kind:
        case FieldKind.NUMBER:
            try:
                return float(re.sub(r"[,¥￥元\s]", "", plain)), ""
            except ValueError:
                return None, Phrase("不是数字：请只填数字")
        case FieldKind.FLAG:
            flag = read_flag(plain)
            return flag, "" if flag is not None else Phrase("应为 是 或 否")
        case FieldKind.DATE:
            at = read_moment(plain, zone)
            return (at.date().isoformat(), "") if at else (None, NO_DATE)
        case FieldKind.TEXT:
            return " ".join(text.split()), ""
    at = read_moment(plain, zone)
    if at is not None:
        return {"calendar": "solar", "year": at.year, "month": at.month, "day": at.day}, ""
    if yearless := _YEARLESS.fullmatch(plain):
        return {"calendar": "solar", "month": int(yearless[1]), "day": int(yearless[2])}, ""
    return None, Phrase("不是生日：应为 1990-08-15 或 08-15（农历请先在客户页填写）")


def _fen(text: str) -> int | None:
    """An amount of yuan in hundredths; None for what is none."""
    plain = re.sub(r"[,¥￥元\s]", "", unicodedata.normalize("NFKC", text))
    if not re.fullmatch(r"\d{1,12}(\.\d+)?", plain):
        return None
    try:
        fen = Decimal(plain) * 100
    except InvalidOperation:
        return None
    return int(fen) if fen == int(fen) else None
