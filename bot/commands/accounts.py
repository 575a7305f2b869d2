"""`siyu accounts`: who may use the console, and links by which people get in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bot.commands.terminal import AsJson, Config, Workplace, refuse, say, say_json, say_table, work

if TYPE_CHECKING:
    from datetime import datetime

    from bot.config import Settings
    from data.db import Database

app = typer.Typer(no_args_is_help=True, help="Who may use the console.")


@app.command("list")
def list_accounts(config: Config = None, as_json: AsJson = False) -> None:
    """The accounts, without passwords."""

    async def action(place: Workplace) -> None:
        from data.queries import accounts as rows

        found = await place.db.read(rows.list_accounts)
        if as_json:
            say_json([account.model_dump(exclude={"password_hash"}) for account in found])
            return
        say_table(
            ("ID", "NAME", "LOGIN", "USERID", "ROLE", "STATUS"),
            (
                (
                    str(account.id), account.name, account.login or "", account.userid or "", account.role,
                    "disabled" if account.disabled_at else "open",
                )
                for account in found
            ),
            "There is no account. Make the first with: siyu accounts link",
        )  # fmt: skip

    work(config, action)


@app.command()
def link(
    account: Annotated[
        int | None, typer.Option("--account", help="Whose password it sets; without it, it makes a new account.")
    ] = None,
    role: Annotated[str, typer.Option("--role", help="admin, manager or staff, for a new account.")] = "admin",
    name: Annotated[str, typer.Option("--name", help="Who it is for.")] = "",
    config: Config = None,
) -> None:
    """Make a link that works once, for a day: its holder chooses a password."""
    from data.models import Role

    if role not in list(Role):
        refuse(f"There is no role {role}; there are: {', '.join(Role)}.")

    async def action(place: Workplace) -> str:
        import secrets
        from functools import partial

        from data.queries import accounts as rows

        token = secrets.token_urlsafe(32)
        if account is not None:
            await place.db.read(rows.get_account, account)
        add = partial(
            rows.add_invitation, token=token, now=place.now, role=Role(role), name=name[:64], account_id=account,
            made_by="siyu accounts link",
        )  # fmt: skip
        await place.db.write(add)
        return address_of(place.settings, token)

    say(work(config, action))


def address_of(settings: Settings, token: str) -> str:
    """Where a link leads."""
    server = settings.server
    return f"{server.public_url or f'http://{server.host}:{server.port}'}/console/join?token={token}"


async def first_link(settings: Settings, db: Database, now: datetime) -> str:
    """A link that makes the first admin; empty where there is one."""
    import secrets
    from functools import partial

    from data.queries import accounts as rows

    if await db.read(rows.has_admin):
        return ""
    token = secrets.token_urlsafe(32)
    await db.write(partial(rows.add_invitation, token=token, now=now, is_first=True, made_by="the program"))
    return address_of(settings, token)
