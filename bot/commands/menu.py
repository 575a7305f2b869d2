"""`siyu menu`: the menu of the company's app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from bot.commands.terminal import AsJson, Config, say, say_json, work_with_wecom

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.context import Context

app = typer.Typer(no_args_is_help=True, help="The menu of the company's app, below its chat with staff.")


@app.command()
def show(config: Config = None, as_json: AsJson = False) -> None:
    """The menu that the app has now, and whether it is ours."""

    async def action(ctx: Context) -> None:
        from bot.menus import read_menu, same_menu, wanted_menu

        found = await read_menu(ctx)
        if as_json:
            say_json(found)
            return
        if not found:
            say("The app has no menu. Create it: siyu menu create")
            return
        _say_menu(found)
        if not same_menu(found, wanted_menu(ctx.settings.app.language, ctx.settings.server.public_url)):
            say("This is another menu than ours. siyu menu create puts ours in its place.")

    work_with_wecom(config, action)


@app.command()
def create(config: Config = None) -> None:
    """Put our menu in the place of the one that the app has."""

    async def action(ctx: Context) -> None:
        from bot.menus import create_menu, read_menu, same_menu

        before = await read_menu(ctx)
        made = await create_menu(ctx)
        if before and not same_menu(before, made):
            say("Until now there was:")
            _say_menu(before)
            say()
            say("Now there is:")
        _say_menu(made)
        say("The menu is created. Members see it when they open the app anew; what its entries do: docs/assistant.md.")

    work_with_wecom(config, action)


@app.command()
def delete(config: Config = None) -> None:
    """Take the menu away."""

    async def action(ctx: Context) -> None:
        from bot.menus import delete_menu

        await delete_menu(ctx)
        say("The app has no menu any more; members can still write.")

    work_with_wecom(config, action)


def _say_menu(menu: Mapping[str, Any]) -> None:
    for button in menu["button"]:
        below = button.get("sub_button") or []
        say(str(button["name"]) if below else _entry(button))
        for each in below:
            say(f"  {_entry(each)}")


def _entry(button: Mapping[str, Any]) -> str:
    return f"{button['name']}  {button.get('key') or button.get('url') or button.get('type', '')}"
