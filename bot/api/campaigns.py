"""`/campaigns`: broadcasts to customers, and posts in Moments: planned, looked at before anything is sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from aiohttp import web
from pydantic import Field

from bot import campaign_edits, campaign_tests, campaigns
from bot.api.answers import ApiError, answer, page, path_id, read_object, read_query
from bot.api.approvals import ApprovalTold
from bot.api.described import described
from bot.api.group_waves import GroupPreviewTold, GroupWaveTold
from bot.api.moments import MomentPreviewTold, MomentWaveTold
from bot.api.service import CALLER, Api
from bot.api.shapes import MergePatch, Nothing, Page
from bot.campaign_edits import Version
from data.models import PauseRule, RunStatus
from data.rules.campaigns import NAME_MAX_LENGTH, Act, CampaignDraft, WaveDraft
from data.rules.messages import MessageContent
from data.rules.moments import MomentContent
from data.rules.problems import RuleModel, parse, parse_as
from data.rules.schedule import Instant
from data.rules.senders import SenderPolicy
from data.rules.timings import Timing
from data.rules.variants import RunWords, Variant


class ListQuery(RuleModel):
    """Which campaigns to list."""

    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class SenderTold(RuleModel):
    """How many a staff member reaches."""

    userid: str
    recipients: int


class VariantCounted(RuleModel):
    """How many get one variant, and its words as the first sender has them."""

    name: str
    recipients: int
    words: str


class DepartmentTold(RuleModel):
    """How many the senders reach whose main department it is; 0: not known."""

    department_id: int
    name: str
    senders: int
    recipients: int


class SampledTold(RuleModel):
    """A customer who would receive it, through whom, and which of several variants."""

    external_userid: str
    userid: str
    variant: str


class PreviewTold(RuleModel):
    """What a wave would do. `left_out` counts by reason; `calls` make a task each; `words` are the first sender's.

    `likely_over_cap` of the recipients have had as many group-sends as WeCom allows: an estimate. `variants`: how many
    get each, where there are several. `warnings`: what keeps it from being sent if it were started now.
    """

    matched: int
    recipients: int
    left_out: dict[str, int]
    likely_over_cap: int
    calls: int
    senders: list[SenderTold]
    sender_count: int
    departments: list[DepartmentTold]
    sample: list[SampledTold]
    words: str
    variants: list[VariantCounted]
    warnings: list[str]


class WinnerTold(RuleModel):
    """The variant that runs of a wave which are still to begin send alone, and who has chosen it."""

    wave_id: int
    variant: str
    chosen_by: str
    chosen_at: datetime


class WaveTold(RuleModel):
    """A part of a campaign. `audience` of a list says only how long it is. With `variants` the `content` is empty."""

    id: int
    kind: Literal["customers"]
    content: MessageContent
    variants: list[Variant]
    hold_out_percent: int
    audience: dict[str, Any]
    sender_policy: SenderPolicy
    sender_tag_ids: list[str]
    sender_fallback: SenderPolicy
    excluded_userids: list[str]
    valid_hours: int
    timing: Timing
    not_bought_hours: int | None


class RunTold(RuleModel):
    """One sending of a wave: `recipients` of the `matched` are to receive it; `left_out` says why not the others.

    Of a post in Moments these are the members who are to publish it; `reach` customers could see it.

    `content`: what it says, where that is not what its wave says; empty while it is to be written (`words_due`). It was
    written as `words_version` of the campaign. `variant`: which one it sends alone, once it has begun.
    While it is `paused`: who did it (`paused_by`: a userid, a token's name or `command`), or which rule (`pause_rule`).
    """

    id: int
    wave_id: int
    status: RunStatus
    due_at: datetime
    valid_until: datetime
    started_at: datetime | None
    planned_at: datetime | None
    ended_at: datetime | None
    rest_until: datetime | None
    matched: int
    recipients: int
    reach: int | None
    left_out: dict[str, int]
    error: str
    content: dict[str, Any] | None
    words_version: int | None
    variant: str
    paused_at: datetime | None
    paused_by: str
    pause_rule: PauseRule | Literal[""]


class TestTold(RuleModel):
    """What the test customers were sent: a campaign of its own. It is out of date, not `is_current`, once the campaign
    says something else."""

    campaign_id: int
    version: int
    is_current: bool
    made_by: str
    made_at: datetime
    status: str
    recipients: int
    sent: int


class CampaignTold(RuleModel):
    """A campaign with its waves; `runs` is empty until it is started. `approval`: the newest request for it; `winners`:
    the variants that are chosen.

    `tests`: the newest first. With `test_first` a run is sent once there is a `go_version`, not below its
    `words_version`. `test_of`: it is a test itself, of `test_version` of that campaign; 0: of words that are no
    campaign's.
    `journey_id`: it holds the broadcasts of that journey, and is planned by it; -1: several send it together.
    `accepted_at`: who resumed it then knew what had happened until then; its brakes count what comes after.
    """

    id: int
    name: str
    owner: str
    made_by: str
    made_at: datetime
    version: int
    test_first: bool
    go_version: int | None
    go_by: str
    test_of: int | None
    test_version: int | None
    journey_id: int | None
    tests: list[TestTold]
    accepted_at: datetime | None
    waves: list[WaveTold | GroupWaveTold | MomentWaveTold]
    runs: list[RunTold]
    approval: ApprovalTold | None
    winners: list[WinnerTold]


class WavePreview(PreviewTold):
    """The preview of a wave that is kept; `place`: which of the campaign's waves it is, as the path of a fault says
    (`waves[0]`)."""

    wave_id: int
    place: int


class GroupWavePreview(GroupPreviewTold):
    """The preview of a wave to groups that is kept."""

    wave_id: int
    place: int


class MomentWavePreview(MomentPreviewTold):
    """The preview of a post that is kept."""

    wave_id: int
    place: int


class PreviewsTold(RuleModel):
    """What each wave of a campaign would do now."""

    waves: list[WavePreview | GroupWavePreview | MomentWavePreview]


class Start(RuleModel):
    """When a campaign is sent; now, if nothing is said or the instant has passed."""

    at: Instant | None = None


@described(CampaignTold, status=201, body=CampaignDraft)
async def create_campaign(api: Api, request: web.Request) -> web.Response:
    draft = parse(CampaignDraft, await read_object(request))
    made = await campaigns.make_campaign(api.context, draft, request[CALLER])
    told = await api.db.read(campaigns.read_campaign, made.id or 0)
    return answer(campaigns.to_json(told), 201, Location=f"/api/v1/campaigns/{made.id}")


@described(Page[CampaignTold], query=ListQuery)
async def list_campaigns(api: Api, request: web.Request) -> web.Response:
    query = read_query(ListQuery, request)
    found = await api.db.read(campaigns.read_campaigns, query.limit, query.before_id)
    return answer(page([campaigns.to_json(each) for each in found], query.limit))


@described(CampaignTold, body=MergePatch)
async def change_campaign(api: Api, request: web.Request) -> web.Response:
    changes = await read_object(request)
    return answer(campaigns.to_json(await campaign_edits.change_campaign(api.context, path_id(request), changes)))


class Copy(RuleModel):
    """How the copy is called; without a name like the other one."""

    name: str | None = Field(default=None, min_length=1, max_length=NAME_MAX_LENGTH)


@described(CampaignTold, status=201, body=Copy)
async def copy_campaign(api: Api, request: web.Request) -> web.Response:
    asked = parse(Copy, await read_object(request))
    told = await campaign_edits.copy_campaign(api.context, path_id(request), request[CALLER], asked.name)
    return answer(campaigns.to_json(told), 201, Location=f"/api/v1/campaigns/{told.campaign.id}")


@described(Nothing)
async def delete_campaign(api: Api, request: web.Request) -> web.Response:
    await campaign_edits.delete_campaign(api.context, path_id(request))
    return answer({})


@described(CampaignTold)
async def get_campaign(api: Api, request: web.Request) -> web.Response:
    return answer(campaigns.to_json(await api.db.read(campaigns.read_campaign, path_id(request))))


@described(PreviewTold | GroupPreviewTold | MomentPreviewTold, body=WaveDraft)
async def preview_wave(api: Api, request: web.Request) -> web.Response:
    wave = parse_as(campaigns.WAVE, await read_object(request))
    return answer(await campaigns.tell_draft(api.context, wave))


@described(PreviewsTold)
async def preview_campaign(api: Api, request: web.Request) -> web.Response:
    told = await api.db.read(campaigns.read_campaign, path_id(request))
    if told.runs:
        raise ApiError(409, "conflict", "The campaign was started: its runs say what it does.", "Look at its runs.")
    return answer({"waves": await campaigns.tell_waves(api.context, told)})


@described(CampaignTold, body=Start)
async def start_campaign(api: Api, request: web.Request) -> web.Response:
    start = parse(Start, await read_object(request))
    return answer(campaigns.to_json(await campaigns.start_campaign(api.context, path_id(request), start.at)))


@described(RunTold, body=MessageContent | MomentContent | RunWords)
async def write_words(api: Api, request: web.Request) -> web.Response:
    content = await campaigns.parse_words(api.context, path_id(request), await read_object(request))
    return answer(campaigns.run_to_json(await campaigns.write_words(api.context, path_id(request), content)))


@described(CampaignTold)
async def send_test(api: Api, request: web.Request) -> web.Response:
    told = await campaign_tests.send_test(api.context, path_id(request), request[CALLER])
    return answer(campaigns.to_json(told))


@described(CampaignTold, body=Version)
async def give_go(api: Api, request: web.Request) -> web.Response:
    version = parse(Version, await read_object(request)).version
    told = await campaign_tests.give_go(api.context, path_id(request), version, request[CALLER])
    return answer(campaigns.to_json(told))


@described(CampaignTold)
async def pause_campaign(api: Api, request: web.Request) -> web.Response:
    return await _act(api, request, Act.PAUSE)


@described(CampaignTold)
async def resume_campaign(api: Api, request: web.Request) -> web.Response:
    return await _act(api, request, Act.RESUME)


@described(CampaignTold)
async def cancel_campaign(api: Api, request: web.Request) -> web.Response:
    return await _act(api, request, Act.CANCEL)


async def _act(api: Api, request: web.Request, act: Act) -> web.Response:
    return answer(campaigns.to_json(await campaigns.act_on(api.context, path_id(request), act, request[CALLER])))
