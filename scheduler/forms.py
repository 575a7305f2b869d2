"""What follows from a customer's answer to a form: tags, and a word to the staff member."""

from __future__ import annotations

from bot.context import Context
from bot.staff_words import Value
from data.queries import form_follow_ups as rows
from data.queries.form_follow_ups import DueAnswer
from data.rules.form_answers import words_of
from data.rules.forms import Form
from scheduler.follow_ups import Rows, Wanted, Word, work_off

_ROWS = Rows(rows.claim_due, rows.finish, rows.put_off)


async def follow_up_answers(ctx: Context) -> int:
    """Do what is due; how many answers."""

    async def wanted_of(answer: DueAnswer) -> Wanted:
        form = Form.model_validate(answer.definition)
        values: dict[str, Value] = {
            "form_title": form.title,
            "answers": words_of(answer.answers),
            "happened_at": answer.answered_at,
        }
        word = Word("form_answered", values, f"form:{answer.id}") if form.tells_staff else None
        return Wanted(answer.external_userid, answer.userid, answer.put_on, answer.take_off, word)

    return await work_off(ctx, _ROWS, wanted_of)
