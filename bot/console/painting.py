"""How the console's pages are made: templates, texts, the menu, and what every page says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bot.catalogs import folder, translations
from bot.config import Settings
from bot.console.assets import all_assets
from bot.console.pages import FRESH, HEADERS, LANGUAGES, asked_language, language_of
from bot.render import CONTRACTS
from bot.saying import told
from data.rules.schedule import local_datetime

LANGUAGE_COOKIE, THEME_COOKIE = "siyu_language", "siyu_theme"
THEMES = ("light", "dark")
#: A page shorter than this is not compressed.
ZIPPED_FROM = 1_400
_VARIABLE = re.compile(r"\{\{-?[ \t]*([a-z_]+)[ \t]*-?\}\}")


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for a text that is translated where it is shown
    return text


class Entry(NamedTuple):
    """An entry of the menu: who sees it (`role` and those above), its text, path and icon."""

    role: str
    text: str
    path: str
    icon: str


#: The menu, in groups.
MENU: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "",
        (
            Entry("staff", N_("首页"), "/console", "home"),
            Entry("manager", N_("报表"), "/console/reports", "chart"),
        ),
    ),
    (
        N_("客户运营"),
        (
            Entry("staff", N_("客户"), "/console/customers", "users"),
            Entry("manager", N_("分群"), "/console/segments", "filter"),
            Entry("staff", N_("标签"), "/console/tags", "tag"),
            Entry("manager", N_("导入"), "/console/imports", "upload"),
            Entry("staff", N_("客户群"), "/console/groups", "message"),
            Entry("admin", N_("群活码"), "/console/join-ways", "link"),
            Entry("manager", N_("客户交接"), "/console/handovers", "users"),
            Entry("manager", N_("渠道活码"), "/console/channels", "code"),
        ),
    ),
    (
        N_("群发"),
        (
            Entry("manager", N_("群发计划"), "/console/campaigns", "send"),
            Entry("manager", N_("日历"), "/console/calendar", "calendar"),
            Entry("manager", N_("审批"), "/console/approvals", "check"),
        ),
    ),
    (
        N_("旅程"),
        (
            Entry("manager", N_("客户旅程"), "/console/journeys", "route"),
            Entry("manager", N_("员工任务"), "/console/tasks", "user"),
        ),
    ),
    (
        N_("微信客服"),
        (
            Entry("manager", N_("客服账号"), "/console/kf/accounts", "message"),
            Entry("staff", N_("客服会话"), "/console/kf/sessions", "message"),
            Entry("admin", N_("回复规则"), "/console/kf/rules", "hand"),
            Entry("manager", N_("知识库"), "/console/knowledge", "list"),
        ),
    ),
    (
        N_("内容"),
        (
            Entry("admin", N_("欢迎语"), "/console/welcome-rules", "hand"),
            Entry("admin", N_("入群欢迎语"), "/console/group-welcomes", "hand"),
            Entry("admin", N_("自动标签"), "/console/tag-rules", "tag"),
            Entry("admin", N_("消息模板"), "/console/templates", "message"),
            Entry("manager", N_("话术库"), "/console/scripts", "message"),
            Entry("manager", N_("素材库"), "/console/media", "image"),
        ),
    ),
    (
        N_("运行"),
        (
            Entry("admin", N_("事件"), "/console/events", "pulse"),
            Entry("admin", N_("同步"), "/console/syncs", "route"),
            Entry("admin", N_("任务"), "/console/jobs", "calendar"),
            Entry("admin", N_("企业微信调用"), "/console/calls", "chart"),
            Entry("admin", N_("对外通知"), "/console/webhooks", "send"),
            Entry("admin", N_("最近日志"), "/console/log", "list"),
            Entry("admin", N_("配置检查"), "/console/check", "gear"),
            Entry("admin", N_("备份"), "/console/backups", "box"),
        ),
    ),
    (
        N_("管理"),
        (
            Entry("admin", N_("上限与时间"), "/console/limits", "clock"),
            Entry("admin", N_("节假日"), "/console/holidays", "calendar"),
            Entry("admin", N_("接口令牌"), "/console/tokens", "link"),
            Entry("admin", N_("账号"), "/console/accounts", "users"),
            Entry("admin", N_("操作记录"), "/console/audit", "list"),
        ),
    ),
)
#: What a page says after something has been done, by the key in its address.
SAID: Mapping[str, str] = {
    "erased": N_("已删除这位客户的信息。"),
    "saved": N_("已保存。"),
    "made": N_("已创建。"),
    "heard": N_("对方收到了测试。"),
    "as_filed": N_("已恢复成配置文件的值。"),
    "narrowed": N_("已保存。名单里不属于您能看到的客户的已去掉，请核对人数。"),
    "begun": N_("已开始：会按时间发送。"),
    "submitted": N_("已提交审批。"),
    "paused": N_("已暂停。已经创建的任务员工仍可以确认。"),
    "resumed": N_("已恢复。"),
    "cancelled": N_("已停止：还没确认的正在撤回，已经收到的不能撤回。"),
    "resumed_all": N_("已恢复发送，几秒内生效。暂停着的群发和旅程不变。"),
    "reminded": N_("会尽快提醒还没确认的员工。"),
    "tested": N_("正在发给测试客户，等员工确认。"),
    "approved": N_("已批准。"),
    "rejected": N_("已驳回。"),
    "removed": N_("已删除。"),
    "replayed": N_("已安排重新处理，几秒内开始。"),
    "started": N_("已开始。"),
    "moved": N_("已转到最新版本。"),
    "revoked": N_("已作废。"),
    "drafted": N_("草稿已保存，还没有发布。"),
    "published": N_("已发布：几秒内生效。已经排队的消息不变。"),
    "reset": N_("已恢复为默认内容。"),
    "dropped": N_("草稿已放弃。"),
    "tried": N_("正在用企业微信发给您。"),
    "uploaded": N_("已上传到素材库。"),
    "read": N_("文件已收到，还没有改动任何客户。"),
    "checking": N_("已保存，正在重新检查。"),
    "switched_on": N_("已启用。"),
    "switched_off": N_("已停用。"),
    "leavers_read": N_("已向企业微信读了离职名单。"),
    "handover_made": N_("已安排：几秒内开始向企业微信发起。"),
    "ended": N_("已退出所选的登录。"),
    "rested": N_("已暂停：扫码的客户由兜底员工接待。"),
    "archived": N_("已归档：印出去的码仍然有效，由兜底员工接待。"),
    "restored": N_("已取消归档。"),
    "kf_read": N_("已从企业微信读取客服账号。"),
    "kf_said": N_("已发送。"),
    "kf_changed": N_("会话已变更。"),
    "password": N_("密码已修改，其他浏览器已退出登录。"),
}


class Painter:
    """Makes pages in the reader's language and theme."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.assets = all_assets()

    def language_of(self, request: web.Request, preferred: str = "") -> str:
        """What the address asks for, what the account prefers, what this browser was last told, what it prefers."""
        kept = request.cookies.get(LANGUAGE_COOKIE, "")
        chosen = asked_language(request) or preferred or (kept if kept in LANGUAGES else "")
        return chosen or language_of(request)

    def say(self, language: str, text: str, /, **values: object) -> str:
        """A text in a language."""
        found = translations(language).gettext(text)
        return found % values if values else found

    def paint(
        self, request: web.Request, template: str, status: int = 200, *, language: str, ask: Any = None, **values: Any
    ) -> web.Response:
        """A page. `ask`: who has asked, where somebody is signed in."""
        theme = ask.account.theme if ask else ""
        kept = request.cookies.get(THEME_COOKIE, "")
        page = _environment(language).get_template(f"{template}.html").render(
            ask=ask,
            path=request.path,
            language=language,
            language_tag="zh-CN" if language == "zh" else "en",
            theme=theme or (kept if kept in THEMES else ""),
            company=self._settings.company.name,
            observing=self._settings.mode == "observe",
            menu=MENU,
            said=SAID.get(request.query.get("said", ""), ""),
            when=partial(moment, zone=self._settings.zone),
            day=partial(day, zone=self._settings.zone),
            **values,
        )  # fmt: skip
        answer = web.Response(text=page, status=status, content_type="text/html", headers={**HEADERS, **FRESH})
        if len(page) > ZIPPED_FROM:
            answer.enable_compression()
        return answer


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder()), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, extensions=["jinja2.ext.i18n"],
    )  # fmt: skip
    found = translations(language)
    environment.install_gettext_callables(found.gettext, found.ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.globals["_"] = _sayer(found.gettext)
    environment.globals["asset"] = all_assets().url
    environment.filters["number"] = "{:,}".format
    environment.filters["told"] = partial(told, language)
    environment.filters["named"] = partial(_named, language)
    return environment


@cache
def _names(language: str) -> Mapping[str, str]:
    """What the variables of messages are called."""
    found: dict[str, str] = {}
    for contract in CONTRACTS.values():
        for each in contract.variables:
            found.setdefault(each.name, f"[{each.en}]" if language == "en" else f"〔{each.zh}〕")
    return found


def _named(language: str, text: str) -> str:
    """A message as it was written, with its variables by their names: `{{ staff_name }}` is 〔员工姓名〕."""
    names = _names(language)
    return _VARIABLE.sub(lambda found: names.get(found[1], found[0]), text)


def _sayer(find: Callable[[str], str]) -> Callable[..., Markup]:
    """What `_` does in templates. Pages say the same few hundred texts again and again, most without values."""

    @lru_cache(maxsize=4_000)
    def plain(text: str) -> Markup:
        return Markup(find(text)) % {}  # noqa: S704 - ours; %% is %

    def say(text: str, /, **values: object) -> Markup:
        return Markup(find(text)) % values if values else plain(text)  # noqa: S704 - values are escaped

    return say


def moment(at: datetime | None, *, zone: Any) -> str:
    """An instant by the company's clock: `2026-03-06 10:00`."""
    return "" if at is None else f"{local_datetime(at, zone):%Y-%m-%d %H:%M}"


def day(at: datetime | date | None, *, zone: Any) -> str:
    """A day: `2026-03-06`."""
    if isinstance(at, datetime):
        at = local_datetime(at, zone).date()
    return "" if at is None else f"{at:%Y-%m-%d}"
