"""`siyu alerts`: app messages to staff."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.commands.terminal import AsJson, Config, Limit, Workplace, say_json, say_table, work

app = typer.Typer(no_args_is_help=True, help="Messages to staff about what happened to their customers.")


@app.command("list")
def list_alerts(
    userid: Annotated[str | None, typer.Option("--userid", help="Only this staff member's.")] = None,
    limit: Limit = 50,
    words: Annotated[bool, typer.Option("--words", help="Show the words, which hold names.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Alerts, newest first: sent, waiting or failed, and why."""

    async def action(place: Workplace) -> None:
        from data.queries import alerts as rows

        found = await place.db.read(rows.list_alerts, userid=userid, limit=limit)
        if as_json:
            say_json([row.model_dump(exclude=set() if words else {"words"}) for row in found])
            return
        say_table(
            ("TIME", "TO", "ABOUT", "CUSTOMER", "STATUS", "SENT", "TRIES", "WHY", *(["WORDS"] if words else [])),
            (
                (
                    place.local(row.created_at), row.userid, row.kind, row.external_userid, row.status,
                    place.local(row.sent_at), row.attempts, row.error, *([row.words] if words else []),
                )
                for row in found
            ),
            "There is no alert.",
        )  # fmt: skip

    work(config, action)
