"""Group welcomes (入群欢迎语素材): WeCom's limits on them, the JSON that WeCom takes, and what is to be done next.

Limits are those of `group_welcome_template` (WeCom doc 92366); lengths count UTF-8 bytes, and `%NICKNAME%` counts as it
is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import StringConstraints

from bot.phrases import Phrase
from data.models import GroupWelcomeStatus
from data.rules.messages import (
    Attachment,
    LinkAttachment,
    MediaType,
    MessageContent,
    MiniprogramAttachment,
    attachment_problems,
    media_of,
    text_problems,
    to_wecom,
)
from data.rules.problems import Problem, RuleModel
from data.rules.texts import Line

TEXT_MAX_BYTES = 3000
#: WeCom puts the newcomer's name in its place.
NICKNAME = "%NICKNAME%"
#: So many fit into a company's stock, whichever app or person made them.
MAX_IN_STOCK = 100
#: A call to WeCom has ended by then.
CALL_SECONDS = 30
#: And its row waits so long for the process that makes it.
CLAIM_SECONDS = 60
#: What time mends is tried again so often.
MAX_TRIES = 20
#: A file that WeCom refuses is uploaded again so often.
MEDIA_TRIES = 3

_PLACEHOLDER = re.compile(r"[%％][^%％\s]{0,20}?(?:nick|name|昵称|姓名|客户)[^%％\s]{0,20}?[%％]", re.I)


class GroupWelcomeContent(RuleModel):
    """What newcomers receive: a text, in which `%NICKNAME%` is their name, and at most one attachment."""

    text: str = ""
    attachment: Attachment | None = None

    @property
    def as_message(self) -> MessageContent:
        return MessageContent(text=self.text, attachments=(self.attachment,) if self.attachment else ())


class GroupWelcomeDraft(RuleModel):
    """One that is to be made. `notify`: WeCom tells staff that they can choose it for their groups."""

    name: Annotated[Line, StringConstraints(min_length=1, max_length=64)]
    content: GroupWelcomeContent
    notify: bool = True


class Step(StrEnum):
    """The call that a group welcome needs next."""

    ADD = "add"
    EDIT = "edit"
    DELETE = "delete"


class Standing(NamedTuple):
    """What decides about the next call."""

    status: str
    version: int
    written_version: int
    is_retired: bool


def next_step(standing: Standing) -> Step | None:
    """The call that brings WeCom's stock to what we say; None where nothing is to be done, or only a person can."""
    match standing.status:
        case GroupWelcomeStatus.PLANNED if not standing.is_retired:
            return Step.ADD
        case GroupWelcomeStatus.MADE if standing.is_retired:
            return Step.DELETE
        case GroupWelcomeStatus.MADE if standing.version != standing.written_version:
            return Step.EDIT
    return None


def problems(content: GroupWelcomeContent) -> list[Problem]:
    """Everything that WeCom would refuse, or not put a name into; empty: it fits."""
    found = text_problems("content.text", content.text, TEXT_MAX_BYTES, multiline=True)
    if not content.text.strip() and content.attachment is None:
        found.append(Problem("content", Phrase("文字和附件不能都为空")))
    if "{{" in content.text or "{%" in content.text:
        found.append(
            Problem("content.text", Phrase("这里没有模板变量；要称呼新成员，请写 %(nickname)s", nickname=NICKNAME))
        )
    found += [
        Problem(
            "content.text",
            Phrase(
                "%(wrong)s 不会被替换；要称呼新成员，请写 %(nickname)s（半角、大写）", wrong=wrong, nickname=NICKNAME
            ),
        )
        for wrong in dict.fromkeys(_PLACEHOLDER.findall(content.text))
        if wrong != NICKNAME
    ]
    for each in attachment_problems(content.as_message):
        found.append(Problem(each.path.replace("attachments[0]", "content.attachment", 1), each.message))
    attachment = content.attachment
    if isinstance(attachment, LinkAttachment | MiniprogramAttachment):
        kind = attachment.msgtype
        for name, text in attachment.model_dump()[kind].items():
            if NICKNAME in text:
                found.append(
                    Problem(
                        f"content.attachment.{kind}.{name}", Phrase("%(nickname)s 只能写在文字里", nickname=NICKNAME)
                    )
                )
    return found


def file_of(content: GroupWelcomeContent) -> tuple[str, str, MediaType] | None:
    """(path in the content, media key, kind) of the file that it needs uploaded; None when it needs none."""
    media = media_of(content.attachment) if content.attachment is not None else None
    if content.attachment is None or media is None:
        return None
    field = "pic_media" if isinstance(content.attachment, MiniprogramAttachment) else "media"
    return f"attachment.{content.attachment.msgtype}.{field}", *media


def wecom_body(content: GroupWelcomeContent, media_ids: Mapping[str, str]) -> dict[str, Any]:
    """`text` and the attachment under the name of its kind. Raises MissingMediaError."""
    body = to_wecom(content.as_message, media_ids)
    for attachment in body.pop("attachments", ()):
        body[attachment["msgtype"]] = attachment[attachment["msgtype"]]
    return body


def drift(content: GroupWelcomeContent, shown: Mapping[str, Any]) -> list[str]:
    """The fields in which what WeCom shows (`get`) is not what we wrote.

    Which file an attachment has cannot be compared: WeCom shows addresses and ids of its own. Nor can a mini-program's
    page, which WeCom may write in its own way.
    """
    found: list[str] = []
    if _text(shown.get("text"), "content").strip() != content.text.strip():
        found.append("text")
    ours = content.attachment.msgtype if content.attachment is not None else ""
    theirs = next((kind for kind in _KINDS if shown.get(kind)), "")
    if ours != theirs:
        return [*found, "attachment"]
    wanted: dict[str, str] = {}
    match content.attachment:
        case LinkAttachment(link=link):
            wanted = {"title": link.title, "url": link.url, "desc": link.desc}
        case MiniprogramAttachment(miniprogram=card):
            wanted = {"title": card.title, "appid": card.appid}
    found += [f"{ours}.{name}" for name, value in wanted.items() if _text(shown.get(ours), name) != value]
    return found


#: In the order in which WeCom prefers them where there are several.
_KINDS = ("image", "link", "miniprogram", "file", "video")


def _text(part: Any, name: str) -> str:
    value = part.get(name) if isinstance(part, Mapping) else None
    return value if isinstance(value, str) else ""
