"""What can be seen in the configuration alone: values that cannot be right."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.config import CallbackSettings, Settings
from bot.doctor.findings import Finding, fail, ok, warn

CORPID = re.compile(r"w[wx][0-9a-zA-Z]{16}")
SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
TOKEN = re.compile(r"[A-Za-z0-9]{1,32}")
AES_KEY = re.compile(r"[A-Za-z0-9+/]{43}")
WECOM = "https://qyapi.weixin.qq.com/"


def examine_settings(settings: Settings) -> list[Finding]:
    """What is wrong with the settings; one OK when nothing is."""
    found = [
        *_company(settings),
        *_app(settings),
        *_callbacks(settings),
        *_verify_files(settings),
        *_approvers(settings),
        *_public_url(settings),
        *_modes(settings),
    ]
    if not found:
        found.append(ok("configuration", "配置完整。", "The configuration is complete."))
    return found


def _company(settings: Settings) -> Iterator[Finding]:
    corpid = settings.company.corpid
    if not corpid:
        yield fail(
            "corpid_missing", "没有填企业ID（company.corpid）；在管理后台「我的企业」页底复制。",
            "company.corpid is missing: copy it from the page 我的企业 of the admin console.",
        )  # fmt: skip
    elif not CORPID.fullmatch(corpid):
        yield warn(
            "corpid_shape", "企业ID 的样子不对：应以 ww 开头，共 18 位。",
            "company.corpid looks wrong: it begins with ww and has 18 letters and digits.",
        )  # fmt: skip


def _app(settings: Settings) -> Iterator[Finding]:
    secret = settings.app.secret.get_secret_value()
    if not secret:
        yield fail(
            "secret_missing", "没有填应用的 Secret（app.secret）；在「应用管理」里自建应用的页面查看。",
            "app.secret is missing: it is on the self-built app's page under 应用管理.",
        )  # fmt: skip
    elif not SECRET.fullmatch(secret):
        yield fail(
            "secret_shape",
            f"应用的 Secret 应为 43 位字母、数字、- 或 _，现在是 {len(secret)} 位；请重新复制，不要带空格。",
            f"app.secret must have 43 letters, digits, - or _; this one has {len(secret)} characters. Copy it again, "
            "without blanks.",
        )  # fmt: skip
    if settings.app.agentid <= 0:
        yield fail(
            "agentid_missing", "没有填应用的 AgentId（app.agentid）；没有它就不能给员工发提醒。",
            "app.agentid is missing: without it staff get no alerts. It is on the app's page.",
        )  # fmt: skip


def _callbacks(settings: Settings) -> Iterator[Finding]:
    if not settings.callbacks:
        yield fail(
            "callbacks_missing", "没有配置回调（[[callbacks]]）；企业微信的事件没有地方可送。",
            "There is no [[callbacks]] table: WeCom has nowhere to send its events. Add one per callback URL.",
        )  # fmt: skip
    for callback in settings.callbacks:
        yield from _callback(callback)


def _callback(callback: CallbackSettings) -> Iterator[Finding]:
    token, key = callback.token.get_secret_value(), callback.encoding_aes_key.get_secret_value()
    if not TOKEN.fullmatch(token):
        state_zh, state_en = (
            ("没有填", "is missing")
            if not token
            else (
                f"现在有 {len(token)} 个字符",
                f"has {len(token)} characters",
            )
        )
        yield fail(
            "token_shape",
            f"回调 {callback.name} 的 Token {state_zh}；应为 1 到 32 位字母或数字，与管理后台「接收消息」页一致。",
            f"The Token of callback {callback.name} {state_en}; it must have 1 to 32 letters and digits, the same as "
            "on the page 接收消息.",
        )  # fmt: skip
    if not AES_KEY.fullmatch(key):
        yield fail(
            "aes_key_shape", f"回调 {callback.name} 的 EncodingAESKey 应为 43 位字母或数字，现在是 {len(key)} 位。",
            f"The EncodingAESKey of callback {callback.name} must have 43 letters and digits; this one has {len(key)} "
            "characters. Copy it from the page 接收消息.",
        )  # fmt: skip


def _verify_files(settings: Settings) -> Iterator[Finding]:
    folder = settings.server.verify_files
    if folder is None:
        return
    if not folder.is_dir():
        yield fail(
            "verify_files", f"server.verify_files 指向的文件夹不存在：{folder}。",
            f"The folder of server.verify_files does not exist: {folder}.",
        )  # fmt: skip
    elif not list(folder.glob("WW_verify_*.txt")):
        yield warn(
            "verify_files", f"文件夹 {folder} 里没有 WW_verify_*.txt；设置可信域名时企业微信要读它。",
            f"There is no WW_verify_*.txt in {folder}: WeCom reads it when a trusted domain is set.",
        )  # fmt: skip


def _approvers(settings: Settings) -> Iterator[Finding]:
    approval = settings.approval
    if approval.above and len(approval.approvers) < 2:
        yield warn(
            "approvers", "approval.approvers 少于两人：申请人自己不能审批，那时只能通过接口审批。",
            "approval.approvers names fewer than two: nobody approves their own request, so then only the API can.",
        )  # fmt: skip


def _public_url(settings: Settings) -> Iterator[Finding]:
    if settings.server.public_url.startswith("http://"):
        yield warn(
            "public_url", "server.public_url 不是 https：微信会提示跟踪链接不安全，也不能设为可信域名。",
            "server.public_url is not https: WeChat warns of such links, and WeCom trusts no such domain.",
        )  # fmt: skip


def _modes(settings: Settings) -> Iterator[Finding]:
    if settings.mode == "observe":
        yield warn(
            "observe", "现在是观察模式：只记录，不发欢迎语、不打标签、不发提醒。正式使用时改为 mode = \"live\"。",
            'Observe mode is on: everything is recorded and nothing sent. To go live, set mode = "live".',
        )  # fmt: skip
    if not settings.wecom.api_base_url.startswith(WECOM):
        yield warn(
            "api_base_url", f"接口地址不是企业微信，而是 {settings.wecom.api_base_url}。",
            f"The API address is not WeCom's but {settings.wecom.api_base_url}.",
        )  # fmt: skip
