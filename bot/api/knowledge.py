"""`/knowledge`: questions with their answers, for customer service."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field
from sqlmodel import Session

from bot import knowledge, synonyms
from bot.api.answers import REPLAYED, answer, page, path_id, read_object, read_query
from bot.api.auditing import actor_of
from bot.api.described import described
from bot.api.repeats import do_once
from bot.api.service import CALLER, Api
from bot.api.shapes import Items, MergePatch, Nothing, Page
from bot.api.uploads import received
from data.queries import knowledge as rows
from data.queries import unanswered as unanswered_rows
from data.queries.repeated_requests import Answered
from data.rules.knowledge import QUESTION_MAX_LENGTH, KnowledgeAttachment, KnowledgePair
from data.rules.problems import RuleModel, parse
from data.rules.synonyms import Synonyms, words_from


class KnowledgeDraft(RuleModel):
    """An answer and the ways to ask for it; for the accounts of customer service named, or for all."""

    phrasings: list[str]
    text: str = ""
    attachment: KnowledgeAttachment | None = None
    open_kfids: list[str] = Field(default_factory=list)
    enabled: bool = True


class KnowledgeTold(KnowledgeDraft):
    """A pair; `uses`: how often it was the answer, `used_at`: when last."""

    id: int
    uses: int
    used_at: datetime | None
    version: int
    changed_by: str
    changed_at: datetime


class ListQuery(RuleModel):
    """`q`: those that say this in a question or in the answer."""

    q: str = Field(default="", max_length=100)
    enabled: bool | None = None
    before_id: int | None = Field(default=None, ge=1, le=2**62)
    limit: int = Field(default=50, ge=1, le=200)


class AskQuery(RuleModel):
    """`question`: as a customer would ask. `enough`: how like a question has to be; 0 tells also what is not enough."""

    question: Annotated[str, Field(min_length=1, max_length=QUESTION_MAX_LENGTH)]
    open_kfid: str | None = Field(default=None, max_length=64)
    limit: int = Field(default=5, ge=1, le=20)
    enough: float = Field(default=0.0, ge=0, le=1)


class AnswerTold(RuleModel):
    """An answer that was found. `shared`: the words that question and phrasing share, the rarest first; `of_phrasing`,
    `of_question`: how much of the weight of each they are; `enough`: it is like enough; `given`: a customer gets it."""

    pair_id: int
    phrasing: str
    text: str
    attachment: KnowledgeAttachment | None
    score: float
    of_phrasing: float
    of_question: float
    shared: list[str]
    enough: bool
    given: bool


class ImportQuery(RuleModel):
    """`skip_faulty`: rows that are faulty are left out; otherwise nothing is kept then."""

    skip_faulty: bool = False


class ImportTold(RuleModel):
    """What became of the rows of a file."""

    rows: int
    made: int
    changed: int
    same: int
    skipped: int


class UnansweredTold(RuleModel):
    """A question without an answer: by how many `people` it was asked, how many `times`, and when last."""

    id: int
    words: str
    people: int
    times: int
    asked_at: datetime


class SynonymsDraft(RuleModel):
    """Words that mean the same; they are kept as they are compared, each once."""

    words: list[str]


class NewSynonyms(SynonymsDraft):
    """`replaces`: the name of the group in the program of which these words take the place; empty: it is a new one."""

    replaces: str = Field(default="", max_length=64)


class SynonymsTold(SynonymsDraft):
    """A group in use. `id`: of a company's own, null of one as it is in the program; `built_in`: the words that the
    program has under the name `replaces`."""

    id: int | None
    replaces: str
    built_in: list[str]
    version: int
    changed_by: str


class SynonymsQuery(RuleModel):
    """`q`: groups with a word that has this in it."""

    q: str = Field(default="", max_length=100)


class VersionQuery(RuleModel):
    """`version`: the one that was read; another meanwhile is a conflict."""

    version: int | None = Field(default=None, ge=1)


@described(Page[KnowledgeTold], query=ListQuery)
async def list_pairs(api: Api, request: web.Request) -> web.Response:
    query = read_query(ListQuery, request)
    found = await api.db.read(
        lambda session: rows.list_pairs(
            session, words=query.q, enabled=query.enabled, before=query.before_id, limit=query.limit + 1
        )
    )
    return answer(page([knowledge.to_json(*each) for each in found], query.limit))


@described(KnowledgeTold)
async def get_pair(api: Api, request: web.Request) -> web.Response:
    return await _told(api, path_id(request))


@described(KnowledgeTold, status=201, body=KnowledgeDraft, keyed=True)
async def make_pair(api: Api, request: web.Request) -> web.Response:
    draft = parse(KnowledgeDraft, await read_object(request))
    pair = parse(KnowledgePair, draft.model_dump(mode="json"))

    def keep(session: Session, now: datetime) -> Answered:
        return Answered(201, str(knowledge.make(session, pair, request[CALLER], now)))

    kept = await do_once(api, request, keep)
    id_ = int(kept.text or "")
    again = {name: value for name, value in kept.headers.items() if name == REPLAYED}
    return await _told(api, id_, 201, Location=f"/api/v1/knowledge/{id_}", **again)


@described(KnowledgeTold, body=MergePatch)
async def change_pair(api: Api, request: web.Request) -> web.Response:
    id_, changes = path_id(request), await read_object(request)
    await api.db.write(knowledge.change, id_, changes, request[CALLER], api.clock.now())
    return await _told(api, id_)


@described(Nothing)
async def remove_pair(api: Api, request: web.Request) -> web.Response:
    await api.db.write(rows.remove_pair, path_id(request))
    return answer({})


@described(Items[AnswerTold], query=AskQuery)
async def find_answers(api: Api, request: web.Request) -> web.Response:
    query = read_query(AskQuery, request)
    found = await api.db.read(
        lambda session: rows.find_answers(
            session, query.question, open_kfid=query.open_kfid, limit=query.limit, enough=query.enough
        )
    )
    return answer({"items": knowledge.answers_json(found)})


@described(ImportTold, query=ImportQuery, content="application/octet-stream")
async def import_pairs(api: Api, request: web.Request) -> web.Response:
    query = read_query(ImportQuery, request)
    async with received(request) as file:
        done = await knowledge.import_file(api.db, file, request[CALLER], api.clock.now, skip_faulty=query.skip_faulty)
    told: dict[str, Any] = {name: getattr(done, name) for name in ImportTold.model_fields}
    return answer(told)


@described(Items[UnansweredTold])
async def list_unanswered(api: Api, _request: web.Request) -> web.Response:
    found = await api.db.read(unanswered_rows.list_unanswered, 200)
    return answer({"items": [each._asdict() for each in found]})


@described(Items[SynonymsTold], query=SynonymsQuery)
async def list_synonyms(api: Api, request: web.Request) -> web.Response:
    query = read_query(SynonymsQuery, request)
    found = await api.db.read(synonyms.list_all, query.q)
    return answer({"items": [synonyms.to_json(each) for each in found]})


@described(SynonymsTold, status=201, body=NewSynonyms)
async def make_synonyms(api: Api, request: web.Request) -> web.Response:
    draft = parse(NewSynonyms, await read_object(request))
    group = Synonyms(words_from("\n".join(draft.words)), replaces=draft.replaces)
    kept = await api.db.write(synonyms.save, group, actor_of(request, request[CALLER]), api.clock.now())
    return answer(synonyms.to_json(kept), 201, Location=f"/api/v1/knowledge/synonyms/{kept.id}")


@described(SynonymsTold, body=SynonymsDraft, query=VersionQuery)
async def change_synonyms(api: Api, request: web.Request) -> web.Response:
    draft, version = parse(SynonymsDraft, await read_object(request)), read_query(VersionQuery, request).version
    group = Synonyms(words_from("\n".join(draft.words)), path_id(request))
    kept = await api.db.write(synonyms.save, group, actor_of(request, request[CALLER]), api.clock.now(), version)
    return answer(synonyms.to_json(kept))


@described(Nothing)
async def remove_synonyms(api: Api, request: web.Request) -> web.Response:
    await api.db.write(synonyms.remove, path_id(request), actor_of(request, request[CALLER]), api.clock.now())
    return answer({})


async def _told(api: Api, id_: int, status: int = 200, **headers: str) -> web.Response:
    found = await api.db.read(rows.get_pair, id_)
    return answer(knowledge.to_json(*found), status, **headers)
