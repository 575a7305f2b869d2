"""`siyu demo`: the bot and a local WeCom on this machine, with a sample company to play with."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bot.commands.loop import run
from bot.commands.terminal import say

if TYPE_CHECKING:
    from bot.app import Bot
    from bot.config import Settings
    from bot.sandbox.server import Sandbox

HOST = "127.0.0.1"
WECOM_PORT, BOT_PORT = 8081, 8080


def demo(
    folder: Annotated[Path, typer.Option("--var", help="Where the demo keeps its data.")] = Path("var/demo"),
    staff: Annotated[int, typer.Option("--staff", min=2, help="Members of the sample company.")] = 8,
    customers: Annotated[int, typer.Option("--customers", min=0, help="Its customers.")] = 300,
    drafts: Annotated[
        Literal["off", "draft", "send"],
        typer.Option("--drafts", help="Let a stand-in for a language model word what customer service answers."),
    ] = "off",
) -> None:
    """Try Siyu without a company: the bot and a local WeCom on this machine; Ctrl-C stops both."""
    from bot.logs import configure_logs

    configure_logs("WARNING")
    folder.mkdir(parents=True, exist_ok=True)
    run(_play(folder, staff, customers, drafts))


async def _play(folder: Path, staff: int, customers: int, drafts: str) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    from bot.app import Bot
    from bot.clock import Clock
    from bot.sandbox.model import model_routes
    from bot.sandbox.phone import phone_routes
    from bot.sandbox.server import Sandbox
    from bot.sandbox.world import World

    bot_port = _free_port(BOT_PORT)
    # One clock for both: moved on the phone page, it moves for the bot too.
    clock = Clock()
    world = World.open(folder / "wecom.db", staff=staff, customers=customers, clock=clock)
    routes = phone_routes(bot_url=f"http://{HOST}:{bot_port}/readyz")
    wecom = Sandbox(world, more_routes=routes if drafts == "off" else [*routes, *model_routes()])
    await wecom.start(HOST, _free_port(WECOM_PORT, bot_port))
    try:
        settings = _configure(folder, wecom, bot_port, drafts)
        async with Bot(settings, clock) as bot:
            await _connect(wecom, bot)
            await _furnish(bot)
            _introduce(wecom, bot, folder)
            await _invite(bot)
            await stop.wait()
            say("\n正在停止：先完成已经开始的工作……  Stopping: what has begun is finished first.")
    finally:
        await wecom.stop()


def _free_port(wanted: int, taken: int = 0) -> int:
    """The usual port, or a free one where that is in use."""
    for port in (wanted, 0):
        if port and port == taken:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return 0


def _configure(folder: Path, wecom: Sandbox, bot_port: int, drafts: str) -> Settings:
    """Write the configuration of the made-up company, so that every other command works on the demo too."""
    from bot.config import load_settings
    from bot.sandbox.model import NAME

    company, app = wecom.world.company, wecom.world.app
    path = folder / "config.toml"
    path.touch(0o600)
    path.chmod(0o600)
    path.write_text(
        f"""# Made by `siyu demo` at every start: the made-up company of the local WeCom. Its secrets are none.
[company]
corpid = "{company.corpid}"
name = "{company.name}"

[app]
agentid = {app.agentid}
secret = "{app.secret}"

[[callbacks]]
token = "{app.callback_token}"
encoding_aes_key = "{app.encoding_aes_key}"

[wecom]
api_base_url = "{wecom.api_base_url}"
authorize_url = "{wecom.url}/connect/oauth2/authorize"
scan_url = "{wecom.url}/wwlogin/sso/login"
jssdk_url = "{wecom.url}/sandbox/jssdk.js"
frame_origins = ["{wecom.url}"]

[campaigns]
hours = "00:00-00:00"

[server]
port = {bot_port}
public_url = "http://{HOST}:{bot_port}"

[database]
url = "sqlite:///{(folder / "siyu.db").resolve()}"

[backup]
folder = "{(folder / "backups").resolve()}"

[journeys]
webhook_secret = "{app.secret}"
webhook_private = true

[drafts]
mode = "{drafts}"
url = "{wecom.url}/v1"
model = "{NAME}"
""",
        "utf-8",
    )
    return load_settings(path)


async def _connect(wecom: Sandbox, bot: Bot) -> None:
    """What an admin does in WeCom: enter the callback URL; WeCom verifies it."""
    app = wecom.world.app
    app.callback_url = f"{bot.url}{bot.settings.callbacks[0].path}"
    app.redirect_domain = bot.url.removeprefix("http://")
    wecom.world.put_app(app)
    await wecom.machine.callbacks.verify(app)
    await bot.signs.write()
    for job in ("poll_directory", "poll_tags", "poll_channels"):
        await asyncio.wait_for(bot.runner.first_run[job].wait(), 30)


async def _furnish(bot: Bot) -> None:
    """Sample rules at the first start; a person's own are never touched."""
    from bot.kf_edits import save_rule as save_kf_rule
    from bot.rule_edits import save_tag_rule, save_welcome_rule
    from bot.sample_rules import sample_kf_rules, sample_knowledge, sample_media, sample_tag_rules, sample_welcome_rules
    from data.queries import knowledge as knowledge_rows
    from data.queries import media as media_rows
    from data.queries import rules as rule_rows
    from data.queries import tags as tag_rows

    welcomes = await bot.db.read(rule_rows.list_welcome_rules)
    taggings = await bot.db.read(rule_rows.list_tag_rules)
    if welcomes or taggings:
        return
    now = bot.clock.now()
    media: dict[str, str] = {}
    for name, content in sample_media().items():
        media[name] = await bot.db.write(media_rows.add_media, "image", f"{name}.png", content, now)
    for rule in sample_welcome_rules(media):
        await bot.db.write(save_welcome_rule, rule, bot.context.renderer, bot.context.settings.server.public_url, now)
    tags = {tag["name"]: tag["tag_id"] for tag in await bot.db.read(tag_rows.list_tags)}
    for tag_rule in sample_tag_rules(tags):
        await bot.db.write(save_tag_rule, tag_rule, now)
    for kf_rule in sample_kf_rules():
        await bot.db.write(save_kf_rule, kf_rule, now)
    await bot.db.write(knowledge_rows.add_pairs, sample_knowledge(media), "demo", now)
    # The first customer should not wait for the pictures to be uploaded.
    await bot.runner.run_now("renew_media")


async def _invite(bot: Bot) -> None:
    """How to get into the console."""
    from bot.commands.accounts import first_link

    if link := await first_link(bot.settings, bot.db, bot.clock.now()):
        say(f"\n  控制台  console      {link}")
    else:
        say(f"\n  控制台  console      {bot.url}/console")
    sys.stdout.flush()


def _introduce(wecom: Sandbox, bot: Bot, folder: Path) -> None:
    config = folder / "config.toml"
    say(f"私域 Siyu 已就绪：示例企业「{wecom.world.company.name}」  ·  ready, with a made-up company")
    say("")
    say(f"  手机页  phone page   {wecom.url}/")
    say(f"  机器人  the bot      {bot.url}/readyz  ·  {bot.url}/metrics")
    say("")
    say("  打开手机页，扫一个渠道码，看欢迎语和标签自动到来。")
    say("  Open the phone page, scan a channel code, and watch the welcome and the tags arrive.")
    say("")
    say(f"  规则 rules: .venv/bin/siyu welcome list --config {config}")
    say("  Ctrl-C 停止，数据保留在 stops, the data stays in " + str(folder))
    sys.stdout.flush()
