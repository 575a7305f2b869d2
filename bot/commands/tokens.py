"""`siyu token`: who may use /api/v1."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.commands.terminal import AsJson, Config, Workplace, refuse, say, say_json, say_table, work

app = typer.Typer(no_args_is_help=True, help="Tokens for /api/v1.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who uses it.")],
    scopes: Annotated[list[str] | None, typer.Option("--scope", help="What it may do (repeatable).")] = None,
    all_scopes: Annotated[bool, typer.Option("--all-scopes", help="It may do everything.")] = False,
    config: Config = None,
) -> None:
    """Make a token. It is shown once; only its hash is kept."""
    import secrets

    from bot.scopes import SCOPES
    from data.queries import access as rows

    wanted = sorted(SCOPES) if all_scopes else sorted(set(scopes or ()))
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown or not wanted:
        known = ", ".join(SCOPES)
        refuse(f"There is no scope {', '.join(unknown)}; there are: {known}." if unknown else f"Give --scope: {known}.")
    if not 0 < len(name) <= 64:
        refuse("The name has 1 to 64 characters.")
    token = f"siyu_{secrets.token_urlsafe(32)}"
    work(config, lambda place: place.db.write(rows.add_api_token, name, token, wanted, place.now))
    say(token)
    typer.echo(f"Token {name} may: {', '.join(wanted)}. It is not shown again.", err=True)


@app.command("list")
def list_tokens(config: Config = None, as_json: AsJson = False) -> None:
    """The tokens, without the tokens themselves."""

    async def action(place: Workplace) -> None:
        from data.queries import access as rows

        found = await place.db.read(rows.list_api_tokens)
        if as_json:
            say_json([token.model_dump(exclude={"digest"}) for token in found])
            return
        say_table(
            ("NAME", "MADE", "LAST USED", "STATUS", "SCOPES"),
            (
                (
                    token.name, place.local(token.created_at), place.local(token.last_used_at) or "never",
                    "revoked" if token.revoked_at else "in force", ", ".join(token.scopes),
                )
                for token in found
            ),
            "There is no token.",
        )  # fmt: skip

    work(config, action)


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="The token's name.")], config: Config = None) -> None:
    """From now on the token opens nothing."""
    from data.queries import access as rows

    work(config, lambda place: place.db.write(rows.revoke_api_token, name, place.now))
    say(f"Token {name} revoked.")
