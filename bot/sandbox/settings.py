"""Choices about the local WeCom's behaviour that may be changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: How many group-sends a customer or group may receive, as an admin of the company has set it.
GroupSendCap = Literal["month", "week", "day"]


@dataclass(slots=True)
class Settings:
    """Where WeCom's behaviour is not documented, or where a test wants another; changed by POST /sandbox/settings."""

    #: How long a welcome stays in flight, in real seconds (others answer 41096 meanwhile).
    welcome_delivery_seconds: float = 0.0
    #: edit_external_contact is also sent when a member changes nothing but phone numbers.
    edit_event_for_mobiles: bool = True
    #: How long after its start a transfer takes effect.
    transfer_wait_seconds: int = 86_400
    #: A member's cap of customers, for transfers.
    member_customer_cap: int = 20_000
    #: A customer is transferred at most twice in this many days (40128).
    transfer_period_days: int = 90
    #: An app may edit and delete tags that an admin or another app made (WeCom refuses with 81011).
    apps_edit_all_tags: bool = False
    #: A sender may write this often to one member of staff per minute; what is beyond is dropped without an error.
    staff_messages_per_minute: int = 30
    #: The same per hour.
    staff_messages_per_hour: int = 1000
    #: How long after its making a group-send is still being handed out: its tasks answer 41063, lists lack it.
    group_send_settle_seconds: float = 3.0
    #: What one customer or group may receive: as many in a month as it has days, 7 in a week, or 1 in a day.
    group_send_cap: GroupSendCap = "month"
    #: This share of the members (0 to 1) confirm a group-send by themselves; after a reminder so many of the others.
    staff_confirm_share: float = 0.0
    #: Half of those who do have done so after so long.
    staff_confirm_half_seconds: float = 4 * 3600.0
    #: How long the job of a Moments post runs.
    moment_job_seconds: float = 3.0
    #: Sessions of customer service change as WeCom's picture shows, too, not only as its text says.
    kf_unconfirmed_transitions: bool = True
