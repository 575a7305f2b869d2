"""Control routes that let a customer pay in a chat, and a member give the money back."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from bot.sandbox.control import Body, Nothing, Route
from bot.sandbox.errors import NotFoundError, WorldError
from bot.sandbox.journal import to_dict
from bot.sandbox.machine import Machine
from bot.sandbox.records import Payment


class Pay(Body):
    """`external_userid` empty: somebody who is no customer pays by a code."""

    userid: str
    external_userid: str = ""
    amount_fen: int = Field(gt=0)
    out_trade_no: str = ""
    description: str = "商品"
    phone: str = ""
    payment_type: int = 0


class Refund(Body):
    """`amount_fen` 0: everything that is left."""

    transaction_id: str
    amount_fen: int = Field(default=0, ge=0)


def pay(machine: Machine, body: Pay) -> Any:
    world = machine.world
    if world.directory.find(body.userid) is None:
        raise NotFoundError(f"There is no member {body.userid!r}.")
    if body.external_userid and world.customers.find(body.external_userid) is None:
        raise NotFoundError(f"There is no customer {body.external_userid!r}.")
    number = len(world.payments) + 1
    payment = Payment(
        transaction_id=f"42000{world.now}{number:08}",
        out_trade_no=body.out_trade_no or f"WXWK{world.now}{number:06}",
        external_userid=body.external_userid,
        payee_userid=body.userid,
        total_fee=body.amount_fen,
        pay_time=world.now,
        payment_type=body.payment_type,
        description=body.description,
        phone=body.phone,
    )
    world.put_payment(payment)
    return to_dict(payment)


def refund(machine: Machine, body: Refund) -> Any:
    payment = machine.world.payments.get(body.transaction_id)
    if payment is None:
        raise NotFoundError(f"There is no payment {body.transaction_id!r}.", "GET /sandbox/payments lists them.")
    left = payment.total_fee - sum(each["refund_fee"] for each in payment.refunds)
    wanted = body.amount_fen or left
    if not 0 < wanted <= left:
        raise WorldError(f"Only {left} fen of it are left.")
    payment.refunds.append(
        {
            "out_refund_no": f"R{payment.transaction_id}{len(payment.refunds) + 1}",
            "refund_userid": payment.payee_userid,
            "refund_comment": "",
            "refund_reqtime": machine.world.now,
            "refund_status": 1,
            "refund_fee": wanted,
        }
    )
    machine.world.put_payment(payment)
    return to_dict(payment)


def list_payments(machine: Machine, _body: Nothing) -> Any:
    return {"items": [to_dict(payment) for payment in machine.world.payments.values()]}


ROUTES = (
    Route("GET", "/payments", Nothing, list_payments),
    Route("POST", "/payments/pay", Pay, pay),
    Route("POST", "/payments/refund", Refund, refund),
)
