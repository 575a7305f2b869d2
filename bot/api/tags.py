"""`/tags` and `/tag-groups`: the company's tags, changed through WeCom."""

from __future__ import annotations

from aiohttp import web

from bot import tag_edits
from bot.api.answers import answer, read_object
from bot.api.described import described
from bot.api.service import Api
from bot.api.shapes import CompanyTag, CompanyTagGroup, Items, TagUse
from data.queries import tags as rows
from data.rules.problems import parse
from data.rules.tags import NewTags, TagEdit


@described(Items[CompanyTag])
async def list_tags(api: Api, _request: web.Request) -> web.Response:
    return answer({"items": await api.db.read(rows.list_tags)})


@described(Items[CompanyTagGroup])
async def list_groups(api: Api, _request: web.Request) -> web.Response:
    return answer({"items": await api.db.read(rows.list_groups)})


@described(Items[CompanyTag], status=201, body=NewTags)
async def add_tags(api: Api, request: web.Request) -> web.Response:
    made = await tag_edits.add_tags(api.context, parse(NewTags, await read_object(request)))
    tags = {tag["tag_id"]: tag for tag in await api.db.read(rows.list_tags)}
    return answer({"items": [tags[tag_id] for tag_id in made if tag_id in tags]}, 201)


@described(CompanyTag, body=TagEdit)
async def change_tag(api: Api, request: web.Request) -> web.Response:
    tag_id = request.match_info["tag_id"]
    await tag_edits.change_tag(api.context, tag_id, parse(TagEdit, await read_object(request)))
    return answer(next(tag for tag in await api.db.read(rows.list_tags) if tag["tag_id"] == tag_id))


@described(CompanyTagGroup, body=TagEdit)
async def change_group(api: Api, request: web.Request) -> web.Response:
    group_id = request.match_info["group_id"]
    await tag_edits.change_group(api.context, group_id, parse(TagEdit, await read_object(request)))
    return answer(next(group for group in await api.db.read(rows.list_groups) if group["group_id"] == group_id))


@described(TagUse)
async def delete_tag(api: Api, request: web.Request) -> web.Response:
    tag_id = request.match_info["tag_id"]
    use = await api.db.read(tag_edits.read_use, [tag_id])
    await tag_edits.delete_tag(api.context, tag_id)
    return answer(use)


@described(TagUse)
async def delete_group(api: Api, request: web.Request) -> web.Response:
    group_id = request.match_info["group_id"]
    use = await api.db.read(tag_edits.read_use, await api.db.read(rows.list_ids_of_group, group_id))
    await tag_edits.delete_group(api.context, group_id)
    return answer(use)
