"""`siyu orders`: what shops told, whose it is, and which orders wait for their customer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.terminal import AsJson, Config, Limit, Workplace, say, say_json, say_table, work

if TYPE_CHECKING:
    from data.models import Order

app = typer.Typer(no_args_is_help=True, help="Orders of shops, and whose they are.")

OrderId = Annotated[int, typer.Argument(metavar="ORDER", min=1, help="Its number in the first column of the list.")]

#: Why an order waits, for the person who looks.
WAITS = {
    "no_clue": "the shop tells nothing of the buyer",
    "nobody_known": "nobody known has this unionid, number or telephone",
    "customer_unknown": "the named customer is not known",
    "ambiguous": "several customers have it",
    "contradicted": "the telephone is of somebody with another unionid",
}


@app.command("list")
def list_orders(
    customer: Annotated[str | None, typer.Option("--customer", help="external_userid.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Of this shop.")] = None,
    number: Annotated[str | None, typer.Option("--number", help="With this number of the shop.")] = None,
    status: Annotated[
        str | None, typer.Option("--status", help="placed, paid, finished, refunded or cancelled.")
    ] = None,
    limit: Limit = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Orders, newest first."""
    filters = {"external_userid": customer, "source": source, "number": number, "status": status, "limit": limit}
    _list(config, as_json, "There is no such order.", **filters)


@app.command()
def unmatched(
    source: Annotated[str | None, typer.Option("--source", help="Of this shop.")] = None,
    limit: Limit = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Orders that wait for their customer, newest first, and why."""
    _list(config, as_json, "Every order has its customer.", source=source, unmatched=True, limit=limit)


def _list(config: Config, as_json: bool, empty: str, **filters: Any) -> None:
    async def action(place: Workplace) -> None:
        from data.queries import orders as rows

        found = await place.db.read(rows.list_orders, **filters)
        if as_json:
            say_json([_told(order) for order in found])
            return
        say_table(
            ("ID", "SHOP", "NUMBER", "PLACED", "STATUS", "YUAN", "CUSTOMER", "BY", "WHY IT WAITS"),
            (
                (
                    order.id, order.source, order.number, place.local(order.placed_at), order.status,
                    f"{order.amount_fen / 100:,.2f}", order.external_userid or "", order.matched_by,
                    WAITS.get(order.waits_because, order.waits_because),
                )
                for order in found
            ),
            empty,
        )  # fmt: skip
        if filters.get("unmatched"):
            counts = await place.db.read(rows.count_unmatched)
            say("; ".join(f"{number:,} because {WAITS.get(why, why)}" for why, number in sorted(counts.items())))

    work(config, action)


@app.command()
def show(order_id: OrderId, config: Config = None) -> None:
    """One order as JSON."""
    from data.queries import orders as rows

    say_json(_told(work(config, lambda place: place.db.read(rows.get_order, order_id))))


@app.command()
def claim(
    order_id: OrderId,
    external_userid: Annotated[str, typer.Argument(metavar="EXTERNAL_USERID", help="The customer.")],
    config: Config = None,
) -> None:
    """Say whose an order is; the program never overrules it."""
    from data.queries import orders as rows

    work(config, lambda place: place.db.write(rows.claim_order, order_id, external_userid, place.now))
    say(f"Order {order_id} is {external_userid}'s.")


@app.command()
def unclaim(order_id: OrderId, config: Config = None) -> None:
    """Take a claim back: what the shop told of the buyer decides again."""
    from data.queries import orders as rows

    order = work(config, lambda place: place.db.write(rows.unclaim_order, order_id, place.now))
    whose = f"is {order.external_userid}'s, by {order.matched_by}" if order.external_userid else "waits"
    because = f": {WAITS[order.waits_because]}" if order.waits_because else ""
    say(f"Order {order_id} {whose}{because}.")


def _told(order: Order) -> dict[str, Any]:
    return order.model_dump(exclude={"tag_due_at", "tag_attempts"})
