"""Moments posts (客户朋友圈): what one says, who publishes it, who may see it; which of WeCom's posts is one of ours.

Limits are those of `add_moment_task` (WeCom doc 95094). One text serves all members who publish a post.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, field_validator

from bot.phrases import Phrase
from data.rules.batches import CALL_SECONDS, SKEW_SECONDS, STRAY_SECONDS, Verdict, pair
from data.rules.messages import (
    LINK_TITLE_MAX_BYTES,
    MediaKey,
    MediaType,
    MissingMediaError,
    TrackedAddress,
    TrackedName,
    Video,
    VideoAttachment,
    address_problems,
    led,
    text_problems,
    variable_problems,
)
from data.rules.problems import Problem, RuleModel
from data.rules.tags import Id
from data.rules.waves import WavePlan

IMAGES_MAX = 9
USERIDS_MAX = 5000
DEPARTMENTS_MAX = 1000
TAGS_MAX = 100
#: WeCom keeps a job so long.
JOB_SECONDS = 86_400.0
#: A job that was begun has made its post within this, with much to spare: before, none is taken for absent.
SETTLE_SECONDS = 1800.0
#: What WeCom never says of a member is given up so long after a post was withdrawn.
GIVE_UP_SECONDS = 86_400.0


class Picture(RuleModel):
    media: MediaKey


class MomentLink(RuleModel):
    """It leads to `url`, or by the tracked link of this name. `media` is the picture beside the title."""

    title: str = ""
    url: str = ""
    tracked: TrackedName = ""
    media: MediaKey


class PictureAttachment(RuleModel):
    msgtype: Literal["image"] = "image"
    image: Picture


class MomentLinkAttachment(RuleModel):
    msgtype: Literal["link"] = "link"
    link: MomentLink


MomentAttachment = Annotated[PictureAttachment | VideoAttachment | MomentLinkAttachment, Field(discriminator="msgtype")]


class MomentContent(RuleModel):
    """What a post shows: a text, a template of the kind `moment`; and up to nine images, or one video, or one link."""

    text: str = ""
    attachments: tuple[MomentAttachment, ...] = ()

    @property
    def links(self) -> dict[str, str]:
        """The names of the tracked links that attachments lead by, each with its path."""
        return {
            each.link.tracked: f"content.attachments[{number}].link.tracked"
            for number, each in enumerate(self.attachments)
            if isinstance(each, MomentLinkAttachment) and each.link.tracked
        }

    def with_links(self, addresses: Mapping[str, TrackedAddress]) -> MomentContent:
        """The same with the addresses of its tracked links, by their names, in the place of the names."""
        return self.model_copy(update={"attachments": tuple(led(each, addresses) for each in self.attachments)})

    @property
    def files(self) -> tuple[tuple[str, str, MediaType], ...]:
        """(path, key, kind) of each file that has to be uploaded."""
        return tuple(
            (f"attachments[{number}].{each.msgtype}.media", *_file_of(each))
            for number, each in enumerate(self.attachments)
        )


def _file_of(attachment: MomentAttachment) -> tuple[str, MediaType]:
    match attachment:
        case VideoAttachment(video=Video(media=media)):
            return media, "video"
        case PictureAttachment(image=Picture(media=media)) | MomentLinkAttachment(link=MomentLink(media=media)):
            return media, "image"


class Visible(RuleModel):
    """Who publishes a post, and who may see it.

    `userids` and the members of `department_ids` (with the departments below); without either all members who have
    customers. With `tag_ids` only customers with one of these tags see it, and only members who have such a customer
    are asked to publish it.
    """

    userids: tuple[Id, ...] = Field(default=(), max_length=USERIDS_MAX)
    department_ids: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(), max_length=DEPARTMENTS_MAX)
    tag_ids: tuple[Id, ...] = Field(default=(), max_length=TAGS_MAX)


class MomentWave(WavePlan):
    """A post in Moments; without `visible` for everybody."""

    kind: Literal["moments"] = "moments"
    content: MomentContent
    visible: Visible | None = None

    @field_validator("visible")
    @classmethod
    def _names_somebody(cls, visible: Visible | None) -> Visible | None:
        # An empty list may be meant as "nobody", or be what a program filled in wrongly: a post cannot be taken back.
        if visible is not None and not (visible.userids or visible.department_ids or visible.tag_ids):
            raise ValueError(
                Phrase(
                    "没有写明任何员工、部门或标签；"
                    "要让所有有客户的员工发表、所有客户可见，请不要写 visible（或写 null）"
                )
            )
        return visible

    @property
    def seen_by(self) -> Visible:
        """Who publishes it and may see it: everybody where nothing is said."""
        return self.visible or Visible()


def problems(content: MomentContent) -> list[Problem]:
    """What is wrong with what a post shows, apart from its template and files, which others check."""
    kinds = [each.msgtype for each in content.attachments]
    found: list[Problem] = []
    if not content.text.strip() and not kinds:
        found.append(Problem("content", Phrase("文字和附件不能都为空")))
    if len(set(kinds)) > 1:
        found.append(Problem("content.attachments", Phrase("图片、视频、链接只能选一种")))
    elif len(kinds) > (most := IMAGES_MAX if "image" in kinds else 1):
        found.append(
            Problem("content.attachments", Phrase("最多 %(most)s 个，现有 %(count)s 个", most=most, count=len(kinds)))
        )
    for number, each in enumerate(content.attachments):
        if isinstance(each, MomentLinkAttachment):
            path = f"content.attachments[{number}].link"
            found += text_problems(f"{path}.title", each.link.title, LINK_TITLE_MAX_BYTES)
            found += variable_problems(f"{path}.title", each.link.title)
            found += address_problems(path, each.link)
    return found


def range_problems(visible: Visible, unknown: Visible) -> list[Problem]:
    """`unknown` of what is named is not there."""
    told: tuple[tuple[str, Sequence[Any], Sequence[Any], Phrase], ...] = (
        ("userids", visible.userids, unknown.userids, Phrase("应用可见范围内没有成员 %(each)s")),
        ("department_ids", visible.department_ids, unknown.department_ids, Phrase("应用可见范围内没有部门 %(each)s")),
        ("tag_ids", visible.tag_ids, unknown.tag_ids, Phrase("企业标签里没有 %(each)s")),
    )
    return [
        Problem(f"visible.{name}[{number}]", what.filled(each=each))
        for name, given, missing, what in told
        for number, each in enumerate(given)
        if each in missing
    ]


def to_wecom(content: MomentContent, words: str, media_ids: Mapping[str, str]) -> dict[str, Any]:
    """The body of `add_moment_task` for everybody. `media_ids` by key. Raises MissingMediaError."""
    missing = [key for _, key, _ in content.files if not media_ids.get(key)]
    if missing:
        raise MissingMediaError(
            Phrase("素材 %(missing)s 没有可用的 media_id。", missing=missing), Phrase("请重新上传素材。")
        )
    body: dict[str, Any] = {}
    if words.strip():
        body["text"] = {"content": words}
    if content.attachments:
        body["attachments"] = [_attachment(each, media_ids) for each in content.attachments]
    return body


def in_range(body: Mapping[str, Any], visible: Visible) -> dict[str, Any]:
    """The same for those who are to publish it and may see it."""
    ranges: dict[str, Any] = {}
    if visible.userids or visible.department_ids:
        ranges["sender_list"] = {"user_list": list(visible.userids), "department_list": list(visible.department_ids)}
    if visible.tag_ids:
        ranges["external_contact_list"] = {"tag_list": list(visible.tag_ids)}
    return {**body, "visible_range": ranges} if ranges else dict(body)


def _attachment(attachment: MomentAttachment, media_ids: Mapping[str, str]) -> dict[str, Any]:
    inner: dict[str, Any] = {"media_id": media_ids[_file_of(attachment)[0]]}
    if isinstance(attachment, MomentLinkAttachment):
        inner |= {"title": attachment.link.title, "url": attachment.link.url}
    return {"msgtype": attachment.msgtype, attachment.msgtype: inner}


# -- which of WeCom's posts is one whose answer never came

Content = tuple[Any, ...]


def content_asked(body: Mapping[str, Any]) -> Content:
    """What was asked for, as far as WeCom tells it back: its text, what is attached without ids of files, and whether
    everybody may see it."""
    attachments = body.get("attachments") or ()
    kinds = [str(each.get("msgtype")) for each in attachments]
    link: Mapping[str, Any] = next((each["link"] for each in attachments if each.get("msgtype") == "link"), {})
    tags = ((body.get("visible_range") or {}).get("external_contact_list") or {}).get("tag_list")
    return _content(body, kinds.count("image"), kinds.count("video"), link, public=not tags)


def content_told(post: Mapping[str, Any]) -> Content:
    """The same of a row of `get_moment_list`."""
    public = int(post.get("visible_type", 1)) == 1
    return _content(
        post, len(post.get("image") or ()), int(bool(post.get("video"))), post.get("link") or {}, public=public
    )


def _content(source: Mapping[str, Any], images: int, videos: int, link: Mapping[str, Any], *, public: bool) -> Content:
    text = str((source.get("text") or {}).get("content") or "").replace("\r\n", "\n").strip()
    return (text, images, videos, str(link.get("title") or ""), str(link.get("url") or ""), public)


class Asked(NamedTuple):
    """A post that was asked for: `since` and `until` (epoch seconds) are its first and its last call; `members` are
    those who were to publish it."""

    batch_id: int
    content: Content
    members: frozenset[str]
    since: float
    until: float


class Found(NamedTuple):
    """A post of the company (`msgid` is its moment_id) that no row of ours owns, and who is to publish it."""

    msgid: str
    created_at: float
    content: Content
    members: AbstractSet[str]


def in_time(asked: Asked, created_at: float) -> bool:
    """Whether a call can have made what WeCom says was made then: the job may take a while."""
    return asked.since - SKEW_SECONDS <= created_at <= asked.until + CALL_SECONDS + SETTLE_SECONDS


def may_be(asked: Asked, created_at: float, content: Content) -> bool:
    """Whether more is to be known of what WeCom says was made then: it was in time and has the words, or all that it
    shows makes up for the time."""
    if in_time(asked, created_at):
        return bool(asked.content[0] == content[0])
    return created_at >= asked.since - STRAY_SECONDS and asked.content == content


def fits(asked: Asked, found: Found) -> bool:
    """Whether all that can be told speaks for it: words, time, and members.

    WeCom knows members whom we have not read yet, and leaves out others: most of them have to be ours.
    """
    ours = len(found.members & asked.members)
    return in_time(asked, found.created_at) and asked.content == found.content and 2 * ours > len(found.members)


def resembles(asked: Asked, found: Found) -> bool:
    """Whether it may be the same although it does not fit: its words and somebody who is to publish it."""
    known = bool(found.members & asked.members or not found.members)
    return known and may_be(asked, found.created_at, found.content)


def match(asked: Sequence[Asked], found: Sequence[Found]) -> dict[int, Verdict]:
    """What became of each call, from a complete list of what WeCom has and no row of ours owns."""
    return pair(asked, found, fits, resembles)
