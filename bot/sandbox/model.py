"""A stand-in for a language model: it speaks OpenAI's chat completions and understands nothing.

It says one of the answers that the request brings along, the one whose question has most characters of the customer's,
or that there is none. So the way to a real model can be seen and tried without one; nothing leaves this machine.
"""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from bot.sandbox.control import refuse_strangers

NAME = "stand-in"
#: What the prompt asks to be said where nothing is known.
_NO_ANSWER = re.compile(r"只写：(\S+)")
_PAIR = re.compile(r"^问：(?P<question>.*)\n答：(?P<answer>(?:.|\n)*?)(?=\n\n问：|\Z)", re.MULTILINE)
_WORDS = re.compile(r"</?customer_words>")
#: So many of the characters of the question have to stand in one of them.
_ENOUGH = 0.3


def model_routes() -> list[web.RouteDef]:
    """`/v1/chat/completions` and `/v1/models`, to be put beside the control API."""
    return [web.post("/v1/chat/completions", complete), web.get("/v1/models", list_models)]


async def complete(request: web.Request) -> web.Response:
    """The answer to one conversation."""
    if (refused := refuse_strangers(request)) is not None:
        return refused
    try:
        asked: Any = await request.json()
        said = {each["role"]: str(each["content"]) for each in asked["messages"]}
        answer = _answer(said.get("system", ""), _WORDS.sub("", said["user"]).strip())
    except (ValueError, KeyError, TypeError):
        fault = {"message": "messages are missing", "type": "invalid_request_error"}
        return web.json_response({"error": fault}, status=400)
    choice = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
    return web.json_response({"id": "chatcmpl-0", "object": "chat.completion", "model": NAME, "choices": [choice]})


async def list_models(request: web.Request) -> web.Response:
    """The one there is."""
    if (refused := refuse_strangers(request)) is not None:
        return refused
    return web.json_response({"object": "list", "data": [{"id": NAME, "object": "model", "owned_by": "sandbox"}]})


def _answer(prompt: str, question: str) -> str:
    pairs = [(match["question"], match["answer"].strip()) for match in _PAIR.finditer(prompt)]
    likeness = [len({*known} & {*question}) / max(len({*question}), 1) for known, _ in pairs]
    if not pairs or max(likeness) < _ENOUGH:
        found = _NO_ANSWER.search(prompt)
        return found[1] if found else "?"
    answer = pairs[likeness.index(max(likeness))][1]
    return f"{'Hello! ' if question.isascii() else '您好！'}{answer}"
