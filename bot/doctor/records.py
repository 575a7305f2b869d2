"""What our own records show: the databases, what the callbacks have shown so far, the rules."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from bot.clock import Clock
from bot.config import Settings
from bot.doctor.backups import examine_backups
from bot.doctor.findings import Finding, fail, ok, some, warn
from bot.errors import SiyuError
from bot.phrases import Phrase
from bot.render import Renderer
from bot.rule_edits import list_unusable
from data import migrate
from data.db import Database, open_database
from data.migrate import Tree
from data.models import CallbackHealth, GroupWelcome, SyncRun, SyncStatus
from data.queries import channels as channel_rows
from data.queries import events as event_rows
from data.queries import group_welcomes as group_welcome_rows
from data.queries import health as health_rows
from data.queries import kept as kept_rows
from data.queries import rules as rule_rows
from data.queries import staff as staff_rows
from data.queries import sync_runs as run_rows

#: So many adds in a row without a code are no accident.
ADDS_WITHOUT_CODE = 3
#: An event that waits longer says that no bot is running, or that it cannot keep up.
LATE = timedelta(minutes=2)
#: A nightly sync that is missed once is no matter.
OLD_SYNC = timedelta(days=2)
SQLITE = "sqlite:///"
#: Why is said in Chinese, and in English where it is shown.
UNUSABLE = "The %(noun)s rule %(name)s cannot be used: %(why)s."


@dataclass(frozen=True, slots=True)
class Tables:
    """What is to be said of a database's tables, and whether they can be read."""

    finding: Finding
    ready: bool = False


async def look_at_tables(settings: Settings) -> dict[Tree, Tables]:
    """Whether the databases are there, with the tables of this version."""
    return {"main": await _tables("main", settings.database.url), "inbox": await _tables("inbox", settings.inbox_url)}


async def examine_records(settings: Settings, clock: Clock, tables: dict[Tree, Tables]) -> AsyncIterator[Finding]:
    """What the databases hold, as far as they are there."""
    for each in tables.values():
        yield each.finding
    async with AsyncExitStack() as stack:
        health: dict[str, CallbackHealth] | None = None
        if tables["main"].ready:
            db = open_database(settings.database.url, pool_size=2)
            stack.push_async_callback(db.close)
            health = {row.name: row for row in await db.read(health_rows.list_health)}
            async for finding in _rules(db, settings):
                yield finding
            for finding in _group_welcomes(await db.read(group_welcome_rows.list_troubled)):
                yield finding
            yield _last_sync(await db.read(run_rows.find_last_run), clock.now())
            if (row := await db.read(kept_rows.find_kept, kept_rows.RESTORED)) is not None and row.value["waits"]:
                yield warn(
                    "restore_waits", "数据从备份恢复后还没有人核对，什么都不发；核对后运行 siyu resume。",
                    "The data was restored from a backup and nothing is sent before somebody has looked: siyu resume.",
                )  # fmt: skip
        else:
            yield _no_rule()
        yield await examine_backups(settings, clock.now())
        last_customer_event = None
        if tables["inbox"].ready:
            inbox = open_database(settings.inbox_url, pool_size=2)
            stack.push_async_callback(inbox.close)
            async for finding in _inbox(inbox, clock.now()):
                yield finding
            last_customer_event = await inbox.read(event_rows.find_last_received, "change_external_contact")
        for finding in _callbacks(settings, health or {}, last_customer_event):
            yield finding


async def _tables(tree: Tree, url: str) -> Tables:
    name_zh = {"main": "主数据库", "inbox": "事件数据库"}[tree]
    new_file = _new_file(name_zh, tree, url)
    if new_file is not None:
        return Tables(new_file)
    try:
        at = await migrate.revision(url, tree)
    except SiyuError as error:
        return Tables(fail(f"database_{tree}", f"{name_zh}打不开。", str(error)))
    if at is None:
        return Tables(_no_tables(name_zh, tree))
    if at == migrate.revisions_of(tree)[-1]:
        return Tables(ok(f"database_{tree}", f"{name_zh}正常。", f"The {tree} database is in order."), ready=True)
    if at in migrate.revisions_of(tree):
        return Tables(fail(
            f"database_{tree}", f"{name_zh}是旧版本的；请先备份，再运行 siyu migrate。",
            f"The {tree} database is of an older version: make a backup, then run siyu migrate.",
        ))  # fmt: skip
    return Tables(fail(
        f"database_{tree}", f"{name_zh}由更新的版本写过；请装回那个版本。",
        f"The {tree} database was written by a newer version: install that one again.",
    ))  # fmt: skip


def _no_tables(name_zh: str, tree: Tree) -> Finding:
    return ok(
        f"database_{tree}", f"{name_zh}还没有建立，第一次启动时会建立。",
        f"The {tree} database is not made yet; the first start makes it.",
    )  # fmt: skip


def _new_file(name_zh: str, tree: Tree, url: str) -> Finding | None:
    """What to say of an SQLite file that is not there yet; looking must not make it."""
    path = Path(url.removeprefix(SQLITE))
    if not url.startswith(SQLITE) or path.exists():
        return None
    folder = next(each for each in (path.parent.absolute(), *path.parent.absolute().parents) if each.exists())
    if os.access(folder, os.W_OK | os.X_OK):
        return _no_tables(name_zh, tree)
    return fail(
        f"database_{tree}", f"{name_zh}建立不了：没有写 {folder} 的权限。",
        f"The {tree} database cannot be made: {folder} may not be written.",
    )  # fmt: skip


def _no_rule() -> Finding:
    return warn(
        "no_welcome_rule", "没有启用的欢迎语规则，新客户收不到欢迎语；用 siyu welcome add 添加。",
        "No welcome rule is enabled, so nobody is greeted: make one with siyu welcome add.",
    )  # fmt: skip


async def _rules(db: Database, settings: Settings) -> AsyncIterator[Finding]:
    enabled = [rule for rule in await db.read(rule_rows.list_welcome_rules) if rule.enabled]
    if enabled:
        yield ok(
            "welcome_rules", f"启用了 {len(enabled)} 条欢迎语规则。", f"Welcome rules that are enabled: {len(enabled)}."
        )
    else:
        yield _no_rule()
    for noun, name, problems in await db.read(list_unusable, Renderer(), settings.server.public_url):
        why = "；".join(str(problem) for problem in problems)
        en = Phrase(UNUSABLE, noun=noun, name=name, why=[problem.message for problem in problems])
        yield warn("rule_unusable", f"规则「{name}」现在不能用：{why}。", en)
    followers = set(await db.read(staff_rows.list_followers))
    for channel in await db.read(channel_rows.list_channels) if followers else ():
        strangers = sorted(set(channel.userids) - followers)
        if strangers:
            yield warn(
                "channel_strangers",
                f"渠道「{channel.name or channel.state}」里有员工不在可见范围或没有开通客户联系：{some(strangers)}。",
                f"Channel {channel.name or channel.state} names members outside the visible range or without the "
                f"customer-contact feature: {some(strangers)}.",
            )


def _group_welcomes(troubled: list[GroupWelcome]) -> Iterator[Finding]:
    if troubled:
        names = some([row.name for row in troubled])
        yield warn(
            "group_welcomes",
            f"这些入群欢迎语素材要有人处理：{names}；用 siyu group-welcomes list 看原因。",
            f"These group welcomes wait for a person: {names}; see why with siyu group-welcomes list.",
        )


def _last_sync(run: SyncRun | None, now: datetime) -> Finding:
    """Whether the company's customers have been read, and lately."""
    if run is None:
        return warn(
            "no_sync",
            "还没有同步过：公司已有的客户还不认识；机器人运行起来会自己同步一次（sync.first），也可以运行 siyu sync。",
            "WeCom was never read whole, so the customers that the company has are not known: the running bot begins "
            "the first sync itself (sync.first), or run siyu sync.",
        )  # fmt: skip
    if run.status == SyncStatus.FAILED:
        return warn(
            "sync_failed", f"上次同步失败了：{run.error} 解决后运行 siyu sync。",
            f"The last sync failed: {run.error} Once that is mended, run siyu sync.",
        )  # fmt: skip
    if run.status == SyncStatus.DONE and now - run.asked_at > OLD_SYNC:
        return warn(
            "sync_old", f"上次同步是 {(now - run.asked_at).days} 天前：机器人没有运行，或者 sync.at 关掉了每晚的同步。",
            f"The last sync was {(now - run.asked_at).days} days ago: the bot is not running, or sync.at switches the "
            "nightly one off.",
        )  # fmt: skip
    return ok("sync", "客户数据同步正常。", "Customers have been synced.")


async def _inbox(inbox: Database, now: datetime) -> AsyncIterator[Finding]:
    counts = await inbox.read(event_rows.count_tasks)
    dead = counts.get("dead", 0)
    if dead:
        yield warn(
            "dead_letters",
            f"有 {dead} 件事多次失败后停下了：用 siyu events list --status dead 看原因，修好后用 siyu replay --dead "
            "重做。",
            f"{dead} tasks rest after their last try: see why with siyu events list --status dead, then, once mended, "
            "siyu replay --dead.",
        )
    oldest = await inbox.read(event_rows.find_oldest_waiting)
    if oldest is not None and now - oldest > LATE:
        minutes = round((now - oldest).total_seconds() / 60)
        yield warn(
            "late", f"最早的一件事已经等了 {minutes} 分钟：机器人没有运行，或者企业微信一直拒绝它。",
            f"The oldest event has waited {minutes} minutes: the bot is not running, or WeCom keeps refusing it.",
        )  # fmt: skip


def _callbacks(
    settings: Settings, health: dict[str, CallbackHealth], last_customer_event: datetime | None
) -> Iterator[Finding]:
    for callback in settings.callbacks:
        row = health.get(callback.name) or CallbackHealth(name=callback.name)
        if row.last_event_at is None:
            yield _silent(callback.name, callback.path, verified=row.verified_at is not None)
        elif row.adds_without_code >= ADDS_WITHOUT_CODE:
            yield warn(
                "no_welcome_codes",
                f"最近 {row.adds_without_code} 次添加都没有带欢迎语凭证（回调 {callback.name}）："
                "管理后台给员工设置的欢迎语会抢先发送，请在「客户联系 → 加客户 → 欢迎语」里停用。",
                f"The last {row.adds_without_code} adds (callback {callback.name}) brought no welcome code: a welcome "
                "set in the admin console takes it; switch it off under 客户联系 → 加客户 → 欢迎语.",
            )
        else:
            yield ok("callback", f"回调 {callback.name} 收得到事件。", f"Callback {callback.name} receives events.")
    heard = any(row.last_event_at for row in health.values())
    added = any(row.last_add_at for row in health.values())
    if heard and not added and last_customer_event is None:
        yield warn(
            "no_customer_events",
            "收到过事件，但从来没有客户变更事件：请在应用的「接收消息」设置里勾选「外部联系人变更回调」。",
            "Events have come, but never one about a customer: tick 外部联系人变更回调 in the app's 接收消息 settings.",
        )


def _silent(name: str, path: str, *, verified: bool) -> Finding:
    if verified:
        return warn(
            "no_event",
            f"回调 {name} 通过了校验，但还没有收到事件：请勾选「外部联系人变更回调」，或者加一位客户试试。",
            f"Callback {name} was verified but has received no event yet: tick 外部联系人变更回调, or add a customer.",
        )
    return fail(
        "never_verified",
        f"回调 {name} 从未被企业微信校验，也没有收到过事件：启动机器人后，在应用的「接收消息」里填写公网地址加 {path} "
        "并保存。",
        f"WeCom never verified callback {name}, and no event ever came: start the bot, then enter its public address "
        f"with {path} under 接收消息 of the app and save.",
    )
