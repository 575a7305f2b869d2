"""An optional language model: it words an answer from the knowledge, and from nothing else (`[drafts]`).

Any endpoint that speaks OpenAI's chat completions will do. What is personal is masked before it leaves; whatever goes
wrong, or takes too long, there is no draft and the rules go on without one. Everything asked and answered is kept.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import aiohttp
from yarl import URL

from bot.context import Context
from bot.logs import get_logger
from bot.render import TemplateError, clip
from data.queries import drafts as rows
from data.rules.drafts import NO_ANSWER, Draft, Outcome, harmless, mask, refusal, unmask
from data.rules.knowledge import Answer

log = get_logger("drafts")

#: Answers that are given to the model, and how much of each.
SOURCES_MAX = 5
SOURCE_MAX_BYTES = 2048
QUESTION_MAX_BYTES = 1500
#: What an endpoint may answer; more is no chat completion.
ANSWER_MAX_BYTES = 64 * 1024
TOKENS_MAX = 600
KIND, SLUG = "model_prompt", "customer_service"


class _NoAnswerError(Exception):
    """The endpoint gave nothing that can be used; the words say why."""


async def draft_answer(
    ctx: Context, question: str, pairs: Sequence[Answer], *, open_kfid: str = "", external_userid: str = ""
) -> Draft | None:
    """What the model would answer from these answers of the knowledge; None where there is nothing to send or show.

    Nothing is asked where it is switched off, without answers to word, or in observe mode. It ends within
    `drafts.budget_seconds` and never raises for what the endpoint does. Whoever sends it calls
    `data.queries.drafts.note_sent`.
    """
    settings = ctx.settings.drafts
    sources = list(pairs[:SOURCES_MAX])
    if settings.mode == "off" or ctx.observes or not sources or not question.strip():
        return None
    masked, personal = mask(clip(harmless(question.strip()), QUESTION_MAX_BYTES))
    began = time.monotonic()
    told, outcome, cause = "", Outcome.FAILED, ""
    try:
        async with asyncio.timeout(settings.budget_seconds):
            told = await _ask(ctx, masked, sources)
    except TimeoutError:
        cause = f"no answer within {settings.budget_seconds:g} seconds"
    except (_NoAnswerError, TemplateError) as error:
        cause = str(error)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        cause = type(error).__name__
    answer = ""
    if not cause:
        answer = unmask(told.strip(), personal)
        if NO_ANSWER in answer[:20]:
            outcome = Outcome.NO_ANSWER
        elif why := refusal(answer, [_words_of(each) for each in sources], question):
            outcome, cause = Outcome.REFUSED, why
        else:
            outcome = Outcome.READY if settings.mode == "send" else Outcome.DRAFTED
    ids = tuple(each.pair_id for each in sources)
    seconds = time.monotonic() - began
    keep = partial(
        rows.add_draft, open_kfid=open_kfid, external_userid=external_userid, question=masked,
        answer=clip(told.strip().replace("\x00", ""), SOURCE_MAX_BYTES), sources=ids, outcome=outcome, cause=cause,
        model=settings.model, seconds=seconds, now=ctx.clock.now(),
    )  # fmt: skip
    id_ = await ctx.db.write(keep)
    log.info("asked", draft=id_, outcome=outcome.value, cause=cause, seconds=round(seconds, 2), sources=len(ids))
    if outcome not in (Outcome.READY, Outcome.DRAFTED):
        return None
    return Draft(id_, answer, ids, outcome is Outcome.READY)


async def _ask(ctx: Context, question: str, sources: Sequence[Answer]) -> str:
    """What the model says. Raises _NoAnswerError, TemplateError, aiohttp.ClientError, TimeoutError."""
    settings = ctx.settings.drafts
    # Phrasings may be made of what customers wrote; the answers are the company's own words.
    knowledge = "\n\n".join(
        f"问：{harmless(mask(each.phrasing)[0])}\n答：{clip(_words_of(each), SOURCE_MAX_BYTES)}" for each in sources
    )
    values = {"company_name": ctx.settings.company.name, "knowledge": knowledge, "no_answer": NO_ANSWER}
    body = {
        "model": settings.model,
        "messages": [
            {"role": "system", "content": ctx.renderer.render(KIND, SLUG, values)},
            {"role": "user", "content": f"<customer_words>\n{question}\n</customer_words>"},
        ],
        "temperature": 0.2,
        "max_tokens": TOKENS_MAX,
        "stream": False,
    }
    headers = {"Content-Type": "application/json"}
    if key := settings.key.get_secret_value():
        headers["Authorization"] = f"Bearer {key}"
    address = URL(settings.url.rstrip("/") + "/chat/completions")
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as http,
        http.post(
            address, data=json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"), headers=headers,
            allow_redirects=False,
        ) as response,
    ):  # fmt: skip
        if response.status != 200:
            raise _NoAnswerError(f"HTTP {response.status}")
        read = bytearray()
        async for piece in response.content.iter_any():
            read += piece
            if len(read) > ANSWER_MAX_BYTES:
                raise _NoAnswerError("the answer is too large")
    return _content_of(bytes(read))


def _content_of(answer: bytes) -> str:
    try:
        told: Any = json.loads(answer)
        content = told["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        raise _NoAnswerError("no chat completion") from None
    if not isinstance(content, str):
        raise _NoAnswerError("no chat completion")
    return content.encode("utf-8", "replace").decode()


def _words_of(answer: Answer) -> str:
    """What a source says, the address of its card with it."""
    card = answer.attachment
    address = getattr(card, "url", "")
    return "\n".join(each for each in (answer.text, getattr(card, "title", ""), address) if each)
