"""Whether WeCom would reach us: a signed verification of our own callback, through the public address."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator

import aiohttp
from yarl import URL

from bot.clock import Clock
from bot.config import CallbackSettings, Settings
from bot.doctor.findings import Finding, fail, ok, warn
from bot.errors import ConfigurationError
from bot.wecom.crypto import OWN_NONCE, CallbackCrypto
from data.rules.links import CODE_LENGTH, PATH

#: WeCom waits this long for the answer to its verification.
WECOM_WAITS_SECONDS = 1.0
TIMEOUT_SECONDS = 10.0
BODY_MAX_BYTES = 4096


async def examine_address(settings: Settings, url: str, clock: Clock) -> AsyncIterator[Finding]:
    """Ask `url` as WeCom does. Without a path every configured callback is asked below it."""
    base = URL(url)
    if base.scheme not in ("http", "https") or not base.host:
        yield fail("url", f"{url} 不是网址；请写成 https://域名。", f"{url} is no address: write https://host.")
        return
    named = [each for each in settings.callbacks if each.path == base.path]
    async with aiohttp.ClientSession() as session:
        for callback in named or settings.callbacks:
            yield await _verify(session, base.with_path(callback.path), callback, settings.company.corpid, clock)
        folder = settings.server.verify_files
        for file in sorted(folder.glob("WW_verify_*.txt")) if folder else ():
            yield await _read_file(session, base.with_path(f"/{file.name}"), file.read_text("utf-8"))
        if settings.server.public_url:
            yield await _open_link(session, URL(settings.server.public_url))


async def _verify(
    session: aiohttp.ClientSession, url: URL, callback: CallbackSettings, corpid: str, clock: Clock
) -> Finding:
    try:
        crypto = CallbackCrypto(callback.token.get_secret_value(), callback.encoding_aes_key.get_secret_value(), corpid)
    except ConfigurationError as error:
        return fail("url", f"回调 {callback.name} 的 Token 或 EncodingAESKey 不能用，无法校验。", str(error))
    wanted, timestamp = secrets.token_hex(8), str(int(clock.timestamp()))
    nonce, echostr = f"{OWN_NONCE}{secrets.token_hex(4)}", crypto.encrypt(wanted)
    signature = crypto.sign(timestamp, nonce, echostr)
    query = {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce, "echostr": echostr}
    started = time.monotonic()
    status, text = await _get(session, url.with_query(query))
    seconds = time.monotonic() - started
    if status is None:
        return fail(
            "url_unreachable", f"{url} 连接不上（{text}）；请检查域名、证书、防火墙和反向代理。",
            f"{url} cannot be reached ({text}): check the name, the certificate, the firewall and the reverse proxy.",
        )  # fmt: skip
    if status == 403:
        return fail(
            "url_refused", f"{url} 拒绝了签名：那里运行的配置里 Token、EncodingAESKey 或企业ID 与这里不同。",
            f"{url} refuses our signature: what runs there has another Token, EncodingAESKey or corpid.",
        )  # fmt: skip
    if status != 200 or text != wanted:
        return fail(
            "url_wrong", f"{url} 应答了 HTTP {status}，但不是机器人的应答；请检查反向代理的路径。",
            f"{url} answered HTTP {status}, but not as the bot does: check the reverse proxy's path.",
        )  # fmt: skip
    if seconds > WECOM_WAITS_SECONDS:
        return warn(
            "url_slow", f"{url} 用了 {seconds:.1f} 秒才应答；企业微信只等 1 秒。",
            f"{url} took {seconds:.1f} s to answer; WeCom waits 1 s.",
        )  # fmt: skip
    return ok("url", f"{url} 可以访问，签名正确。", f"{url} can be reached and verifies.")


async def _read_file(session: aiohttp.ClientSession, url: URL, wanted: str) -> Finding:
    status, text = await _get(session, url)
    if status == 200 and text.strip() == wanted.strip():
        return ok("verify_file", f"{url} 可以访问。", f"{url} can be read.")
    return fail(
        "verify_file", f"{url} 读不到域名校验文件（{status or text}）；企业微信设置可信域名时会读它。",
        f"{url} does not show the domain's verification file ({status or text}), which WeCom reads.",
    )  # fmt: skip


async def _open_link(session: aiohttp.ClientSession, base: URL) -> Finding:
    """A link that there is not: the bot says so with a page of its own."""
    status, text = await _get(session, base.with_path(f"{PATH}{'0' * CODE_LENGTH}"))
    if status == 404 and "这个链接已经失效" in text:
        return ok(
            "links", f"{base}{PATH} 可以访问，跟踪链接能打开。", f"{base}{PATH} can be reached: tracked links open."
        )
    return fail(
        "links", f"{base}{PATH} 不是机器人在应答（{status or text}）；请让反向代理把 {PATH} 转给机器人。",
        f"At {base}{PATH} it is not the bot that answers ({status or text}): have the reverse proxy pass {PATH} on.",
    )  # fmt: skip


async def _get(session: aiohttp.ClientSession, url: URL) -> tuple[int | None, str]:
    """(status, text), or (None, what went wrong)."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    try:
        async with session.get(url, timeout=timeout, allow_redirects=False) as response:
            body = await response.content.read(BODY_MAX_BYTES)
            return response.status, body.decode("utf-8", "replace")
    except TimeoutError:
        return None, f"no answer within {TIMEOUT_SECONDS:.0f} s"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return None, type(error).__name__
