"""`siyu campaigns board`, `batches`, `adopt` and others: who has sent what, and what a person decides of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.terminal import (
    AsJson,
    Config,
    Limit,
    Workplace,
    cut,
    refuse,
    say,
    say_json,
    say_table,
    work,
    work_with_wecom,
)

if TYPE_CHECKING:
    from bot.context import Context
    from data.models import Batch
    from data.queries.boards import BoardRow

CampaignId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The campaign's number.")]
RunId = Annotated[int, typer.Argument(metavar="RUN", min=1, help="The run's number: results tells it.")]
BatchId = Annotated[int, typer.Argument(metavar="BATCH", min=1, help="The call's number: batches tells it.")]


def board(campaign_id: CampaignId, as_json: AsJson = False, config: Config = None) -> None:
    """What each member of the staff has of it, and has done; for whom something waits comes first."""

    async def read(place: Workplace) -> list[BoardRow]:
        from data.queries import boards, campaigns

        await place.db.read(campaigns.get_campaign, campaign_id)
        return await place.db.read(boards.read_board, campaign_id)

    rows = work(config, read)
    if as_json:
        say_json([row._asdict() for row in rows])
        return
    say_table(
        ("DEPARTMENT", "MEMBER", "USERID", "CONFIRMED", "SENT", "NOT SENT", "GROUPS SENT", "PUBLISHED"),
        (
            (cut(row.department, 24), cut(row.name, 20), row.userid, f"{row.confirmed}/{row.tasks}",
             f"{row.sent:,}/{row.recipients:,}", f"{row.not_sent:,}", f"{row.groups_sent:,}/{row.groups:,}",
             f"{row.published}/{row.posts}")
            for row in rows
        ),
        "Nobody has been asked for anything.",
    )  # fmt: skip


def remind(campaign_id: CampaignId, config: Config = None) -> None:
    """Have the running bot remind, soon, who has not confirmed; WeCom lets it three times a day."""

    async def write(place: Workplace) -> int:
        from data.queries import boards, campaigns

        await place.db.read(campaigns.get_campaign, campaign_id)
        return await place.db.write(boards.ask_to_remind, campaign_id)

    say(f"Staff will be reminded of {work(config, write):,} tasks.")


def batches(
    campaign_id: CampaignId,
    status: Annotated[str | None, typer.Option("--status", help="Of one status only, such as unknown.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Its calls to WeCom, newest first, and which of them wait for a person."""

    async def read(place: Workplace) -> None:
        from data.models import BatchStatus
        from data.queries import batches, campaigns

        if status is not None and status not in set(BatchStatus):
            refuse(f"--status is one of {', '.join(BatchStatus)}.")
        wanted = BatchStatus(status) if status is not None else None
        await place.db.read(campaigns.get_campaign, campaign_id)
        found = await place.db.read(batches.list_batches, campaign_id, limit, None, wanted)
        if as_json:
            say_json([each.model_dump() for each in found])
            return
        say_table(
            ("BATCH", "RUN", "KIND", "MEMBER", "RECIPIENTS", "SENT", "CALLED", "STATUS", "MSGID"),
            (
                (each.id, each.run_id, each.kind, each.userid or "-", f"{each.recipients:,}", f"{each.sent:,}",
                 place.local(each.called_at), _standing(each), each.msgid or " or ".join(each.candidates or ()))
                for each in found
            ),
            "There is no such call.",
        )  # fmt: skip

    work(config, read)


def _standing(batch: Batch) -> str:
    rests = batch.status == "unknown" and batch.next_at is None
    return f"{batch.status} (a person decides)" if rests else batch.status


def adopt(
    batch_id: BatchId,
    msgid: Annotated[str, typer.Argument(metavar="MSGID", help="The group-send, or the post, as WeCom has it.")],
    config: Config = None,
) -> None:
    """Say which group-send or post in WeCom a call has made whose answer never came."""

    async def action(ctx: Context) -> None:
        from bot import batches

        batch = await batches.adopt(ctx, batch_id, msgid)
        say(f"Batch {batch.id} is {batch.msgid}: its results are read from now on.")

    work_with_wecom(config, action)


def again(batch_id: BatchId, config: Config = None) -> None:
    """Say that WeCom has made nothing of a call whose answer never came: it is made once more."""

    async def write(place: Workplace) -> str:
        from data.queries import batch_lookups

        return (await place.db.write(batch_lookups.ask_again, batch_id, place.now, absent=None)).status

    say(f"Batch {batch_id} is {work(config, write)}.")


def recipients(
    run_id: RunId,
    state: Annotated[str | None, typer.Option("--state", help="Of one state only, such as sent or capped.")] = None,
    customer: Annotated[
        str | None, typer.Option("--customer", help="Of one customer only: their external_userid.")
    ] = None,
    after: Annotated[int, typer.Option("--after", min=0, help="Go on behind this FOLLOW.")] = 0,
    limit: Limit = 100,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Who receives a sending, and what became of each, or why nothing is sent to them."""

    async def read(place: Workplace) -> list[dict[str, Any]]:
        from data.models import RecipientState
        from data.queries import campaigns, recipients
        from data.rules.waves import CUSTOMERS

        names = {each.name.lower(): each for each in RecipientState}
        if state is not None and state not in names:
            refuse(f"--state is one of {', '.join(names)}.")
        run = await place.db.read(campaigns.get_run, run_id)
        kind = (await place.db.read(campaigns.get_wave, run.wave_id)).kind
        if kind != CUSTOMERS:
            refuse(f"Run {run_id} goes to no single customers: board tells who has sent it, the API to whom.")
        wanted = names[state] if state is not None else None
        return await place.db.read(recipients.list_recipients, run_id, limit, after, wanted, customer)

    found = work(config, read)
    if as_json:
        say_json(found)
        return
    say_table(
        ("FOLLOW", "CUSTOMER", "MEMBER", "STATE", "BATCH NO", "VARIANT"),
        (
            (each["follow_id"], each["external_userid"], each["userid"], each["state"], each["batch_no"] or "",
             cut(each["variant"], 20))
            for each in found
        ),
        "There is no such recipient.",
    )  # fmt: skip
