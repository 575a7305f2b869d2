"""Our record of customers and follows stays true; who lost a customer is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlmodel import Session

from bot.context import Context, Receipt
from bot.delivery import queue_alert
from bot.erasing import let_back_in
from bot.phrases import Phrase
from bot.refresh import refresh_customer
from bot.router import Outcome, Router, done, skipped
from bot.wecom.errors import GoneError, NotAFollowerError
from bot.wecom.events import (
    AddedEvent,
    AddExternalContact,
    AddHalfExternalContact,
    ContactEvent,
    DelExternalContact,
    DelFollowUser,
    EditExternalContact,
    TransferFail,
)
from data.models import FollowStatus
from data.queries import channels as channel_rows
from data.queries import customers as customer_rows
from data.queries import order_matches as match_rows
from data.queries import staff as staff_rows
from data.queries import transfers as transfer_rows
from data.queries import welcomes as welcome_rows
from data.queries.customers import AddRecord

router = Router("customers")

#: WeCom's words for why a hand-over failed, and ours.
FAIL_REASONS = {"customer_refused": Phrase("客户拒绝了"), "customer_limit_exceed": Phrase("接手同事的客户数已达上限")}
TRANSFER_STATUS = {"customer_refused": "refused", "customer_limit_exceed": "limit"}


def record_add(session: Session, event: AddedEvent, now: datetime) -> AddRecord:
    """Write an add, and whether it came by inheritance as far as our own tables tell."""
    inherited = bool(transfer_rows.find_signs(session, event.userid, event.external_userid, now))
    record = customer_rows.record_add(
        session,
        event.userid,
        event.external_userid,
        state=event.state,
        half=isinstance(event, AddHalfExternalContact),
        inherited=inherited,
        event_at=event.created_at,
        now=now,
    )
    if inherited and not record.stale:
        transfer_rows.end_transfers(session, event.userid, event.external_userid, "done", now)
    return record


@router.on(AddExternalContact, AddHalfExternalContact)
async def on_added(event: AddedEvent, ctx: Context, receipt: Receipt) -> Outcome:
    """Write the follow from the event at once, then the customer's details from WeCom."""
    await let_back_in(ctx, event, patient=receipt.attempts < 3)
    record = await ctx.db.write(record_add, event, ctx.clock.now())
    if isinstance(event, AddHalfExternalContact):
        return done("recorded as half added; details come with the confirmation", new=record.is_new)
    try:
        fetched = await refresh_customer(ctx, event.external_userid)
    except NotAFollowerError:
        if receipt.attempts < 3:
            # Right after an add WeCom may not know it yet.
            raise
        return done("recorded; WeCom shows nobody in sight as following this customer", new=record.is_new)
    orders = await _match_orders(ctx, event.external_userid)
    return done(
        "recorded and fetched", new=record.is_new, came_back=record.came_back, follows=fetched.follows, orders=orders
    )


@router.on(EditExternalContact)
async def on_edit_external_contact(event: EditExternalContact, ctx: Context, receipt: Receipt) -> Outcome:
    """A remark or tags changed: look again. Edits that waited together are answered by this one look."""
    try:
        fetched = await refresh_customer(ctx, event.external_userid)
    except GoneError:
        return done("WeCom shows nobody in sight as following this customer", collapsed=receipt.collapsed)
    orders = await _match_orders(ctx, event.external_userid)
    return done("fetched", follows=fetched.follows, orders=orders, collapsed=receipt.collapsed)


async def _match_orders(ctx: Context, external_userid: str) -> int:
    """Orders that waited for somebody with this unionid or telephone are theirs now; how many.

    What a fetch brings only later is found by the job that looks every minute.
    """
    if not await ctx.db.read(match_rows.list_pointing_to, external_userid):
        return 0
    return await ctx.db.write(match_rows.match_customer, external_userid, ctx.clock.now())


@dataclass(frozen=True, slots=True)
class Loss:
    """What an alert about a lost customer says, and whom it goes to."""

    changed: bool
    customer_name: str
    staff_name: str
    department_name: str
    channel_name: str
    added_at: datetime | None
    managers: list[str]


def record_loss(
    session: Session, event: ContactEvent, status: FollowStatus, received_at: datetime, now: datetime
) -> Loss:
    """End the follow and gather the words of the alert."""
    follow = customer_rows.find_follow(session, event.userid, event.external_userid)
    added_at = follow.added_at if follow else None
    channel = channel_rows.find_by_state(session, follow.state if follow else "")
    handed_over = isinstance(event, DelExternalContact) and event.by_transfer
    changed = customer_rows.record_end(
        session, event.userid, event.external_userid, status,
        event_at=event.created_at, now=now, handed_over=handed_over,
    )  # fmt: skip
    if changed:
        # Not `now`: an add that came after this event may have been greeted already.
        welcome_rows.end_adds(session, event.userid, event.external_userid, received_at)
    if handed_over and changed:
        transfer_rows.record_transfer_seen(session, event.userid, event.external_userid, event.created_at or now)
    customer = customer_rows.find_customer(session, event.external_userid)
    staff = staff_rows.get_card(session, event.userid)
    return Loss(
        changed=changed,
        customer_name=(follow.remark if follow else "") or (customer.name if customer else ""),
        staff_name=staff.name,
        department_name=staff.department_name,
        channel_name=channel.name if channel else "",
        added_at=added_at,
        managers=staff_rows.list_managers(session, event.userid),
    )


@router.on(DelFollowUser)
async def on_del_follow_user(event: DelFollowUser, ctx: Context, receipt: Receipt) -> Outcome:
    """The customer deleted the staff member, who is told: nobody else in WeCom does."""
    loss = await ctx.db.write(
        record_loss, event, FollowStatus.DELETED_BY_CUSTOMER, receipt.received_at, ctx.clock.now()
    )
    if not loss.changed:
        return skipped("known already, or a newer event says otherwise")
    await queue_alert(
        ctx,
        "customer_lost",
        event.userid,
        {
            "customer_name": loss.customer_name,
            "staff_name": loss.staff_name,
            "channel_name": loss.channel_name,
            "added_date": _day(ctx, loss.added_at),
            "happened_at": event.created_at or receipt.received_at,
        },
        dedupe_key=f"event:{receipt.event_id}",
        external_userid=event.external_userid,
    )
    return done("lost: deleted by the customer; the staff member is told")


@router.on(DelExternalContact)
async def on_del_external_contact(event: DelExternalContact, ctx: Context, receipt: Receipt) -> Outcome:
    """The staff member deleted the customer: the manager is told, unless a hand-over did it."""
    loss = await ctx.db.write(record_loss, event, FollowStatus.DELETED_BY_STAFF, receipt.received_at, ctx.clock.now())
    if not loss.changed:
        return skipped("known already, or a newer event says otherwise")
    if event.by_transfer:
        return done("handed over to a colleague; nobody is told")
    for manager in loss.managers:
        await queue_alert(
            ctx,
            "customer_deleted",
            manager,
            {
                "customer_name": loss.customer_name,
                "staff_name": loss.staff_name,
                "department_name": loss.department_name,
                "channel_name": loss.channel_name,
                "added_date": _day(ctx, loss.added_at),
                "happened_at": event.created_at or receipt.received_at,
            },
            dedupe_key=f"event:{receipt.event_id}",
            external_userid=event.external_userid,
        )
    told = len(loss.managers)
    return done(
        "deleted by the staff member" + ("; the manager is told" if told else "; no manager is known"), told=told
    )


def record_transfer_failure(session: Session, event: TransferFail, now: datetime) -> tuple[int, str, str]:
    """Finish our hand-over row; how many there were, the customer's and the staff member's names."""
    ended = transfer_rows.end_transfers(
        session, event.userid, event.external_userid, TRANSFER_STATUS.get(event.fail_reason, "failed"), now
    )
    customer = customer_rows.find_customer(session, event.external_userid)
    return ended, customer.name if customer else "", staff_rows.get_card(session, event.userid).name


@router.on(TransferFail)
async def on_transfer_fail(event: TransferFail, ctx: Context, receipt: Receipt) -> Outcome:
    """A hand-over came to nothing: the member who was to take over is told why."""
    ended, customer_name, staff_name = await ctx.db.write(record_transfer_failure, event, ctx.clock.now())
    await queue_alert(
        ctx,
        "transfer_failed",
        event.userid,
        {
            "customer_name": customer_name,
            "staff_name": staff_name,
            "happened_at": event.created_at or receipt.received_at,
            "cause": FAIL_REASONS.get(event.fail_reason),
        },
        dedupe_key=f"event:{receipt.event_id}",
        external_userid=event.external_userid,
    )
    return done("the hand-over failed; the staff member is told", fail_reason=event.fail_reason, transfers=ended)


def _day(ctx: Context, at: datetime | None) -> date | None:
    return at.astimezone(ctx.settings.zone).date() if at else None
