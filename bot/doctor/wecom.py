"""What WeCom says: is it there, does it accept the secret, what may the app see and do."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from bot.clock import Clock
from bot.config import Settings
from bot.doctor.findings import Finding, fail, ok, some, warn
from bot.shared_budgets import SharedBudgets, limits_of
from bot.wecom.client import WeComClient
from bot.wecom.errors import WeComError
from bot.wecom.limits import Limits
from data.db import open_database

#: A welcome code lives 20 seconds: a clock that is wrong by more calls every event too old or from the future.
SKEW_FAIL_SECONDS = 20.0
SKEW_WARN_SECONDS = 5.0
PROBE_SECONDS = 8.0
DEADLINE_SECONDS = 15.0
#: A larger company's directory is read by the bot itself; a check need not wait for all of it.
DEPARTMENTS_READ = 100

_FROM_IP = re.compile(r"from ip: ([0-9A-Fa-f.:]+)")
TOKEN_CODES = {
    40013: ("corpid_refused", "企业微信不认识这个企业ID（40013）；请核对 company.corpid。"),
    40001: ("secret_refused", "企业微信不接受这个 Secret（40001）；请从自建应用的页面重新复制，并确认应用已启用。"),
    40091: ("secret_refused", "这个 Secret 不属于这家企业（40091）；请从自建应用的页面重新复制。"),
    45009: ("token_limited", "获取凭证太频繁（45009）：多次用错 Secret 会被封一小时；请稍后再试。"),
}
AGENT_CODES = {
    301002: "AgentId 属于另一个应用（301002）；AgentId 和 Secret 要取自同一个应用的页面。",
    40056: "企业微信不认识这个 AgentId（40056）；请从应用的页面复制。",
}


@dataclass(frozen=True, slots=True)
class Probe:
    """A first knock without a token: our address as WeCom sees it, and how far our clock is ahead."""

    address: str
    skew_seconds: float | None


async def examine_wecom(settings: Settings, clock: Clock, *, shares: bool) -> AsyncIterator[Finding]:
    """What WeCom answers; stops at the first fault that makes all further answers the same.

    `shares`: the main database is in order, so that its budgets can be shared with a running bot.
    """
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        try:
            probe = await _knock(session, settings.wecom.api_base_url, clock)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            yield fail(
                "unreachable",
                f"连接不上 {settings.wecom.api_base_url}（{type(error).__name__}）；请检查网络、域名解析和防火墙。",
                f"{settings.wecom.api_base_url} cannot be reached ({type(error).__name__}): check the network, the "
                "name resolution and the firewall.",
            )
            return
        yield ok("reachable", "企业微信可以连接。", "WeCom can be reached.")
        yield _clock_finding(probe.skew_seconds)
        limits = limits_of(settings, clock)
        client = await stack.enter_async_context(_client(settings, session, clock, limits))
        if shares:
            db = open_database(settings.database.url, pool_size=1)
            stack.push_async_callback(db.close)
            await stack.enter_async_context(SharedBudgets(db, limits, clock))
        try:
            await client.fetch_access_token()
        except WeComError as error:
            yield _token_refused(error, probe)
            return
        yield ok("token", "企业ID 和 Secret 有效。", "corpid and secret are accepted.")
        async for finding in _examine_app(settings, client, probe):
            yield finding


def _client(settings: Settings, session: aiohttp.ClientSession, clock: Clock, limits: Limits) -> WeComClient:
    return WeComClient(
        settings.company.corpid,
        settings.app.secret.get_secret_value(),
        base_url=settings.wecom.api_base_url,
        session=session,
        clock=clock,
        limits=limits,
        timeout_seconds=settings.wecom.timeout_seconds,
        deadline_seconds=DEADLINE_SECONDS,
    )


async def _knock(session: aiohttp.ClientSession, base_url: str, clock: Clock) -> Probe:
    """Ask without a token: WeCom's refusal names our address, and its headers the time."""
    timeout = aiohttp.ClientTimeout(total=PROBE_SECONDS)
    began = clock.now()
    async with session.get(f"{base_url}get_api_domain_ip", timeout=timeout, allow_redirects=False) as response:
        text = (await response.content.read(65_536)).decode("utf-8", "replace")
        middle = began + (clock.now() - began) / 2
        if response.status != 200 or "errcode" not in text:
            raise ValueError(f"HTTP {response.status}")
        found = _FROM_IP.search(text)
        return Probe(found[1] if found else "", _skew(response.headers.get("Date"), middle))


def _skew(date: str | None, here: datetime) -> float | None:
    try:
        return (here - parsedate_to_datetime(date)).total_seconds() if date else None
    except (ValueError, TypeError):
        return None


def _clock_finding(skew: float | None) -> Finding:
    if skew is None:
        return warn(
            "clock_unknown", "企业微信的应答里没有时间，本机时钟无法核对。",
            "WeCom's answer names no time: this machine's clock could not be compared.",
        )  # fmt: skip
    seconds = round(abs(skew))
    way_zh, way_en = ("快", "ahead of") if skew > 0 else ("慢", "behind")
    zh = f"本机时钟比企业微信{way_zh} {seconds} 秒；请打开时间同步（NTP），欢迎语只有 20 秒。"
    en = f"This machine's clock is {seconds} s {way_en} WeCom's: turn on time synchronisation (NTP)."
    if abs(skew) > SKEW_FAIL_SECONDS:
        return fail("clock", zh, en)
    if abs(skew) > SKEW_WARN_SECONDS:
        return warn("clock", zh, en)
    return ok("clock", "本机时钟准确。", "This machine's clock is right.")


def _token_refused(error: WeComError, probe: Probe) -> Finding:
    if error.errcode in TOKEN_CODES:
        code, zh = TOKEN_CODES[error.errcode]
        return fail(code, zh, str(error))
    return _refused("token_refused", error, probe)


def _refused(code: str, error: WeComError, probe: Probe) -> Finding:
    """The finding for a refusal that no table names."""
    if error.errcode == 60020:
        who_zh, who_en = (f" {probe.address} ", f" {probe.address}") if probe.address else ("", "")
        return fail(
            "ip_not_trusted",
            f"本机的公网 IP{who_zh}不在应用的「企业可信IP」里（60020）；在「应用管理」→ 应用 →「企业可信IP」添加，"
            "约一分钟后生效。",
            f"This machine's public IP{who_en} is not on the app's list of trusted addresses (60020): add it under "
            "应用管理 → the app → 企业可信IP; it takes about a minute.",
        )
    number = error.errcode if error.errcode is not None else "没有应答"
    return fail(code, f"企业微信没有接受 {error.path or '请求'}（{number}）。", str(error))


async def _examine_app(settings: Settings, client: WeComClient, probe: Probe) -> AsyncIterator[Finding]:
    if settings.app.agentid > 0:
        try:
            agent: dict[str, Any] = await client.agent.get(settings.app.agentid)
        except WeComError as error:
            if error.errcode in AGENT_CODES:
                yield fail("agentid_refused", AGENT_CODES[error.errcode], str(error))
            else:
                yield _refused("agent", error, probe)
                if error.errcode == 60020:
                    return
        else:
            for finding in _agent_findings(agent, settings.server.public_url):
                yield finding
    try:
        answer = await client.external_contact.get_follow_user_list()
    except WeComError as error:
        yield _followers_refused(error, probe)
        return
    followers = sorted(str(userid) for userid in answer.get("follow_user") or [])
    if not followers:
        yield fail(
            "no_followers",
            "没有一位员工可以联系客户：请把员工加入应用的可见范围，并在「客户联系 → 权限配置」里给他们开通。",
            "No member can have customers: put them into the app's visible range, and give them the feature under "
            "客户联系 → 权限配置.",
        )
        return
    yield ok("followers", f"{len(followers)} 位员工可以联系客户。", f"{len(followers)} members can have customers.")
    yield await _compare_directory(client, set(followers))


def _agent_findings(agent: dict[str, Any], public_url: str) -> list[Finding]:
    found = [ok("agent", "AgentId 与 Secret 属于同一个应用。", "AgentId and secret belong to the same app.")]
    if agent.get("close"):
        found.append(fail("app_disabled", "应用已被停用；请在管理后台启用。", "The app is disabled: enable it."))
    trusted, host = str(agent.get("redirect_domain") or ""), public_url.partition("://")[2]
    if trusted and host and host.lower() != trusted.lower():
        found.append(
            fail(
                "public_url",
                f"server.public_url 的域名 {host} 不是应用的可信域名 {trusted}：从微信打开跟踪链接会报错（50001）。",
                f"The host of server.public_url, {host}, is not the app's trusted domain {trusted}: tracked links "
                "fail in WeChat (50001).",
            )
        )
    if not trusted:
        found.append(
            warn(
                "trusted_domain",
                "应用没有设置可信域名：跟踪链接、侧边栏和网页登录不能用；在应用页面的「网页授权及JS-SDK」里设置，"
                "校验文件放进 server.verify_files 的文件夹。",
                "The app has no trusted domain, which tracked links, sidebar and web login need: set it under "
                "网页授权及JS-SDK of the app's page; put the WW_verify file into the folder of server.verify_files.",
            )
        )
    return found


def _followers_refused(error: WeComError, probe: Probe) -> Finding:
    if error.errcode == 48002:
        return fail(
            "customer_contact_forbidden",
            "这个应用没有客户联系权限（48002）；在「客户联系 → 客户 → API → 可调用接口的应用」里勾选它。",
            "The app may not use the customer-contact API (48002): tick it under 客户联系 → 客户 → API → "
            "可调用接口的应用.",
        )
    return _refused("followers", error, probe)


async def _compare_directory(client: WeComClient, followers: set[str]) -> Finding:
    try:
        departments = await client.department.list()
        active: set[str] = set()
        for department in departments[:DEPARTMENTS_READ]:
            members = await client.user.list(int(department["id"]))
            active |= {str(member["userid"]) for member in members if int(member.get("status") or 1) == 1}
    except WeComError as error:
        return warn("directory", "读不到通讯录，无法核对员工的权限。", str(error))
    without = sorted(active - followers)
    if not without:
        return ok(
            "directory", "可见范围内的员工都开通了客户联系。", "All members in the visible range have the feature."
        )
    return warn(
        "members_without_feature",
        f"可见范围内有 {len(without)} 位员工没有开通客户联系，加他们的客户收不到欢迎语：{some(without)}。"
        "需要的话在「客户联系 → 权限配置」里开通。",
        f"{len(without)} members in the visible range lack the customer-contact feature, and their customers are not "
        f"greeted: {some(without)}. Give it to them under 客户联系 → 权限配置 if they serve customers.",
    )
