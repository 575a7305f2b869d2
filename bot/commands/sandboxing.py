"""`siyu sandbox`: a WeCom on this machine, with a sample company."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.terminal import say

if TYPE_CHECKING:
    from bot.sandbox.server import Sandbox
    from bot.sandbox.staff_behaviour import Behaviour


def sandbox(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8081,
    staff: Annotated[int, typer.Option("--staff", min=1, help="Members of the sample company.")] = 8,
    customers: Annotated[int, typer.Option("--customers", min=0, help="Its customers.")] = 300,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same company.")] = 1,
    path: Annotated[
        Path | None, typer.Option("--path", help="SQLite file that keeps what changes; without it nothing is kept.")
    ] = None,
    callback_url: Annotated[str, typer.Option("--callback-url", help="Where events are posted.")] = "",
    staff_behaviour: Annotated[
        str,
        typer.Option(
            "--staff-behaviour",
            help="Who confirms group-sends unasked: 80%,4h means 80 % of the members, half of them within 4 hours.",
        ),
    ] = "",
) -> None:
    """Run a local WeCom with a sample company until SIGINT or SIGTERM."""
    from bot.errors import ConfigurationError
    from bot.logs import configure_logs
    from bot.sandbox.staff_behaviour import parse_behaviour

    configure_logs("WARNING")
    behaviour = parse_behaviour(staff_behaviour) if staff_behaviour else None
    try:
        asyncio.run(_serve(host, port, staff, customers, seed, path, callback_url, behaviour))
    except OSError as error:
        raise ConfigurationError(
            f"{host}:{port} cannot be listened on ({error.strerror}).", "Choose another one with --host and --port."
        ) from None


async def _serve(
    host: str,
    port: int,
    staff: int,
    customers: int,
    seed: int,
    path: Path | None,
    callback_url: str,
    behaviour: Behaviour | None,
) -> None:
    from bot.sandbox.phone import phone_routes
    from bot.sandbox.server import run_sandbox

    loop = asyncio.get_running_loop()
    started: asyncio.Future[Sandbox] = loop.create_future()
    running = asyncio.create_task(
        run_sandbox(
            host, port, staff=staff, customers=customers, seed=seed, path=path, callback_url=callback_url,
            behaviour=behaviour, more_routes=phone_routes(), started=started,
        )
    )  # fmt: skip
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, running.cancel)
    either: set[asyncio.Future[Any]] = {running, started}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if started.done():
        _introduce(started.result())
    await asyncio.wait({running})
    if not running.cancelled():
        running.result()


def _introduce(wecom: Sandbox) -> None:
    """What a client needs to know. The company is made up: its secrets are none."""
    company, app = wecom.world.company, wecom.world.app
    say(f"The local WeCom serves {company.name} at {wecom.url}. Stop it with Ctrl-C.")
    say(f"  API      {wecom.api_base_url}")
    say(f"  control  {wecom.url}/sandbox/")
    say(f"  corpid {company.corpid}, agentid {app.agentid}, secret {app.secret}")
    say(f"  callback token {app.callback_token}, EncodingAESKey {app.encoding_aes_key}")
    say(f"  events go to {app.callback_url or 'nobody: give --callback-url'}")
