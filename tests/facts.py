"""For tests that write rows past the queries of the program."""

from __future__ import annotations

from sqlmodel import Session

from data.queries import follow_facts, follow_words, order_credits


def settle(session: Session) -> None:
    """Let follows know of the rows of other tables that were just written."""
    session.flush()
    follow_facts.mend(session, follow_facts.list_wrong(session, 0, 10_000)[0])
    follow_words.note_words(session, {each.external_userid for each in follow_words.list_wrong(session, 0, 10_000)[0]})
    order_credits.note_orders(session, order_credits.list_wrong(session, 0, 10_000)[0])
