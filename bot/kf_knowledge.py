"""What the company's knowledge says to a customer's question, with the pairs that it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.context import Context
from bot.drafts import draft_answer
from data.models import KfSession
from data.queries import drafts as draft_rows
from data.queries import kf_sessions as session_rows
from data.queries import knowledge as pair_rows
from data.queries import unanswered as unanswered_rows
from data.rules.kf import KfFacts
from data.rules.kf_answers import TEXT_MAX_BYTES, KfAnswer, KfText
from data.rules.knowledge import Answer, meant

#: Pairs that a language model may word an answer from.
SOURCES = 3


@dataclass(frozen=True, slots=True)
class Told:
    """What is answered, nothing where nothing is known; `sources`: which pairs it is of, and how it was made.
    `drafted`: of what a language model is to make a draft, once everything else is done; `held`: something is known,
    and waits for a person to send it."""

    answers: tuple[KfAnswer, ...] = ()
    sources: dict[str, Any] = field(default_factory=dict)
    drafted: tuple[Answer, ...] = ()
    held: bool = False

    @property
    def known(self) -> bool:
        """There is an answer, whoever sends it."""
        return self.held or bool(self.answers)


async def ask_knowledge(ctx: Context, facts: KfFacts, asked_by: str) -> Told:
    """The best answer to a question: as it is written down, or in the words of the language model, where one is chosen
    to send them. `asked_by`: the customer; empty: somebody tries it out, which counts for nothing."""
    if not facts.text.strip():
        return Told()
    found: list[Answer] = await ctx.db.read(
        pair_rows.find_answers, facts.text, open_kfid=facts.open_kfid or None, limit=SOURCES
    )
    best = meant(found)
    if best is None:
        if asked_by:
            await ctx.db.write(
                unanswered_rows.note_unanswered, facts.text, open_kfid=facts.open_kfid, external_userid=asked_by,
                at=ctx.clock.now(),
            )  # fmt: skip
        return Told()
    sources: dict[str, Any] = {
        "pairs": [each.pair_id for each in found],
        "phrasing": best.phrasing,
        "score": round(best.score, 3),
    }
    # What is for staff alone keeps no customer waiting.
    mode = ctx.settings.drafts.mode
    later, held = bool(asked_by) and mode == "draft", mode == "draft" and ctx.settings.drafts.hold
    draft = None
    if not later:
        draft = await draft_answer(ctx, facts.text, found, open_kfid=facts.open_kfid, external_userid=asked_by)
    if draft is not None and draft.sends and len(draft.text.encode()) <= TEXT_MAX_BYTES:
        if asked_by:
            await ctx.db.write(draft_rows.note_sent, draft.id, asked_by)
        return Told((KfText(text=draft.text),), {**sources, "draft": draft.id})
    if draft is not None:
        # A person may send it from the conversation's page.
        sources |= {"draft": draft.id, "draft_text": draft.text}
    if held:
        card = best.attachment
        sources |= {"held": best.pair_id, "draft_text": sources.get("draft_text") or best.text}
        if card is not None:
            sources["card"] = card.msgtype
    if asked_by:
        await ctx.db.write(pair_rows.count_use, best.pair_id, ctx.clock.now())
    return Told(() if held else best.messages, sources, tuple(found) if later else (), held)


async def add_draft(ctx: Context, message_id: int, question: str, pairs: Sequence[Answer], asked: KfSession) -> None:
    """Have the language model make a draft for a message that was answered; a person may send it from the page of the
    conversation."""
    draft = await draft_answer(ctx, question, pairs, open_kfid=asked.open_kfid, external_userid=asked.contact_id)
    if draft is not None:
        told = {"draft": draft.id, "draft_text": draft.text}
        await ctx.db.write(session_rows.note_knowledge, message_id, told)
