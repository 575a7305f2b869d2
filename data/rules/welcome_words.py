"""The values of a welcome template's variables: what a greeting knows of customer, staff member and occasion."""

from __future__ import annotations

from datetime import datetime, tzinfo

from data.rules.schedule import day_words, greeting_word, local_datetime


def welcome_values(
    *,
    at: datetime,
    zone: tzinfo,
    customer_name: str = "",
    staff_name: str = "",
    staff_alias: str = "",
    staff_position: str = "",
    department_name: str = "",
    company_name: str = "",
    channel_name: str = "",
) -> dict[str, str | None]:
    """One value per variable of the contract `welcome`; an empty one becomes its variable's fallback word.

    `at` (aware) is when the customer was added; the day and the greeting are those of the company's `zone`.
    """
    return {
        "customer_name": customer_name,
        "staff_name": staff_name,
        "staff_alias": staff_alias,
        "staff_position": staff_position,
        "department_name": department_name,
        "company_name": company_name,
        "channel_name": channel_name,
        "added_date": day_words(local_datetime(at, zone).date()),
        "time_of_day": greeting_word(at, zone),
    }
