"""A message to a customer: text and attachments, WeCom's limits on them, and the JSON that WeCom takes.

Attachments name an item of our own media library, because WeCom's media ids live three days. Limits are those
of `send_welcome_msg` (WeCom doc 92137); lengths count UTF-8 bytes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import Field

from bot.errors import SiyuError
from bot.phrases import Phrase
from data.rules.problems import Problem, RuleModel

MAX_ATTACHMENTS = 9
TEXT_MAX_BYTES = 4000
LINK_TITLE_MAX_BYTES = 128
LINK_DESC_MAX_BYTES = 512
URL_MAX_BYTES = 2048
MINIPROGRAM_TITLE_MAX_BYTES = 64
#: WeCom names no limit for these two; anything longer is a mistake.
APPID_MAX_BYTES = 64
PAGE_MAX_BYTES = 1024
#: The parameter of a page that carries the mark of a tracked link, and the most that it adds to the page.
MARK_PARAMETER = "siyu"
MARK_MAX_BYTES = 32

MediaType = Literal["image", "video", "file"]
#: Name of a tracked link.
TrackedName = Annotated[str, Field(max_length=32)]
#: Key of an item in our media library.
MediaKey = Annotated[str, Field(min_length=1, max_length=128)]


class MissingMediaError(SiyuError):
    """An attachment's media item has no WeCom media id at hand."""


class TrackedAddress(NamedTuple):
    """Where a tracked link is found in one message; `mark` is the same for pages that no address can lead to."""

    url: str
    mark: str = ""


class Image(RuleModel):
    """`media` wins over `pic_url`, which must be an address from WeCom's media/uploadimg."""

    media: MediaKey | None = None
    pic_url: str = ""


class Link(RuleModel):
    """It leads to `url`, or by the tracked link of this name."""

    title: str
    url: str = ""
    tracked: TrackedName = ""
    picurl: str = ""
    desc: str = ""


class Miniprogram(RuleModel):
    """A card that opens `page` of a mini-program bound to the company; `pic_media` is its cover image.

    `tracked`: the page is given the mark of this tracked link, for the mini-program to report that it was opened.
    """

    title: str
    pic_media: MediaKey
    appid: str
    page: str
    tracked: TrackedName = ""


class Video(RuleModel):
    media: MediaKey


class File(RuleModel):
    media: MediaKey


class ImageAttachment(RuleModel):
    msgtype: Literal["image"] = "image"
    image: Image


class LinkAttachment(RuleModel):
    msgtype: Literal["link"] = "link"
    link: Link


class MiniprogramAttachment(RuleModel):
    msgtype: Literal["miniprogram"] = "miniprogram"
    miniprogram: Miniprogram


class VideoAttachment(RuleModel):
    msgtype: Literal["video"] = "video"
    video: Video


class FileAttachment(RuleModel):
    msgtype: Literal["file"] = "file"
    file: File


Attachment = Annotated[
    ImageAttachment | LinkAttachment | MiniprogramAttachment | VideoAttachment | FileAttachment,
    Field(discriminator="msgtype"),
]


class MessageContent(RuleModel):
    """What is sent at once: a text and up to nine attachments; one of the two may be missing."""

    text: str = ""
    attachments: tuple[Attachment, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.text.strip() and not self.attachments

    def with_text(self, text: str) -> MessageContent:
        """The same attachments under another text: the rendered one, or a fallback."""
        return self.model_copy(update={"text": text})

    def with_links(self, addresses: Mapping[str, TrackedAddress]) -> MessageContent:
        """The same with what its tracked links are in this message, by their names, in the place of the names."""
        return self.model_copy(update={"attachments": tuple(led(each, addresses) for each in self.attachments)})

    def without_media(self) -> MessageContent:
        """Without the attachments that need a WeCom media id: what can go when media cannot be had."""
        kept = tuple(each for each in self.attachments if media_of(each) is None)
        return self.model_copy(update={"attachments": kept})


def media_of(attachment: Attachment) -> tuple[str, MediaType] | None:
    """The media item that an attachment needs uploaded, and as what; None when it needs none."""
    match attachment:
        case ImageAttachment(image=image):
            return (image.media, "image") if image.media else None
        case MiniprogramAttachment(miniprogram=miniprogram):
            return miniprogram.pic_media, "image"
        case VideoAttachment(video=video):
            return video.media, "video"
        case FileAttachment(file=file):
            return file.media, "file"
        case LinkAttachment():
            return None


def led(attachment: Any, addresses: Mapping[str, TrackedAddress]) -> Any:
    """An attachment; a card that names a tracked link has its address, or its mark, in the place of the name."""
    kind: str = attachment.msgtype
    card = getattr(attachment, kind)
    if not getattr(card, "tracked", ""):
        return attachment
    address = addresses[card.tracked]
    told = {"page": marked(card.page, address.mark)} if kind == "miniprogram" else {"url": address.url}
    return attachment.model_copy(update={kind: card.model_copy(update={**told, "tracked": ""})})


def marked(page: str, mark: str) -> str:
    """The path of a mini-program's page with the mark of a tracked link."""
    return f"{page}{'&' if '?' in page else '?'}{MARK_PARAMETER}={mark}" if mark else page


def links_of(content: MessageContent) -> dict[str, str]:
    """The names of the tracked links that attachments lead by, each with its path."""
    return {
        name: f"content.attachments[{index}].{each.msgtype}.tracked"
        for index, each in enumerate(content.attachments)
        if (name := getattr(getattr(each, each.msgtype), "tracked", ""))
    }


def media_needed(content: MessageContent) -> tuple[tuple[str, MediaType], ...]:
    """Each (media key, type) that has to be uploaded before `content` can be sent, once, in order of use."""
    found = (media_of(attachment) for attachment in content.attachments)
    return tuple(dict.fromkeys(each for each in found if each is not None))


def to_wecom(content: MessageContent, media_ids: Mapping[str, str]) -> dict[str, Any]:
    """The `text` and `attachments` of WeCom's request body; an empty one of the two is left out.

    `media_ids` gives the WeCom media id for each key of `media_needed`. Raises MissingMediaError naming what
    is missing, so that the caller can send without it.
    """
    missing = [key for key, _ in media_needed(content) if not media_ids.get(key)]
    if missing:
        raise MissingMediaError(
            Phrase("素材 %(missing)s 没有可用的 media_id。", missing=missing), Phrase("请重新上传素材。")
        )
    body: dict[str, Any] = {}
    if content.text.strip():
        body["text"] = {"content": content.text}
    if content.attachments:
        body["attachments"] = [_attachment_body(each, media_ids) for each in content.attachments]
    return body


def _attachment_body(attachment: Attachment, media_ids: Mapping[str, str]) -> dict[str, Any]:
    body: dict[str, str]
    match attachment:
        case ImageAttachment(image=image):
            body = {"media_id": media_ids[image.media]} if image.media else {"pic_url": image.pic_url}
        case LinkAttachment(link=link):
            body = {"title": link.title, "url": link.url}
            body |= {name: value for name, value in (("picurl", link.picurl), ("desc", link.desc)) if value}
        case MiniprogramAttachment(miniprogram=card):
            body = {
                "title": card.title,
                "pic_media_id": media_ids[card.pic_media],
                "appid": card.appid,
                "page": card.page,
            }
        case VideoAttachment(video=video):
            body = {"media_id": media_ids[video.media]}
        case FileAttachment(file=file):
            body = {"media_id": media_ids[file.media]}
    return {"msgtype": attachment.msgtype, attachment.msgtype: body}


def problems(content: MessageContent) -> list[Problem]:
    """Everything about a message as it will be sent that WeCom would refuse; empty: it fits."""
    found = attachment_problems(content)
    if content.is_empty:
        found.insert(0, Problem("", Phrase("文字和附件不能都为空")))
    found[:0] = text_problems("text", content.text, TEXT_MAX_BYTES, multiline=True)
    return found


def attachment_problems(content: MessageContent, *, tracked: bool = False) -> list[Problem]:
    """The problems of the attachments alone: where the text is a template, which is checked as such.

    `tracked`: a link may lead by a tracked link, which is checked elsewhere.
    """
    found: list[Problem] = []
    if len(content.attachments) > MAX_ATTACHMENTS:
        found.append(
            Problem(
                "attachments",
                Phrase("最多 %(most)s 个附件，现有 %(count)s 个", most=MAX_ATTACHMENTS, count=len(content.attachments)),
            )
        )
    for index, attachment in enumerate(content.attachments):
        path = f"attachments[{index}].{attachment.msgtype}"
        match attachment:
            case ImageAttachment(image=image):
                found += _image_problems(path, image)
            case LinkAttachment(link=link):
                found += _link_problems(path, link, tracked=tracked)
            case MiniprogramAttachment(miniprogram=card):
                found += _miniprogram_problems(path, card, tracked=tracked)
            case VideoAttachment() | FileAttachment():
                pass
    return found


def _image_problems(path: str, image: Image) -> list[Problem]:
    if image.media:
        return []
    if not image.pic_url:
        return [Problem(path, Phrase("请选择图片：media 或 pic_url 必填一个"))]
    return url_problems(f"{path}.pic_url", image.pic_url)


def _link_problems(path: str, link: Link, *, tracked: bool) -> list[Problem]:
    found = required(f"{path}.title", link.title, LINK_TITLE_MAX_BYTES)
    found += text_problems(f"{path}.desc", link.desc, LINK_DESC_MAX_BYTES, multiline=True)
    found += variable_problems(f"{path}.desc", link.desc)
    if link.tracked and not tracked:
        found.append(Problem(f"{path}.tracked", Phrase("这里只能用 url：请填写跟踪链接的完整网址")))
    else:
        found += address_problems(path, link)
    if link.picurl:
        found += url_problems(f"{path}.picurl", link.picurl)
    return found


def address_problems(path: str, link: Any) -> list[Problem]:
    """What is wrong with where a link leads: to its `url` or by its `tracked` link, which is checked elsewhere."""
    if link.tracked:
        return [Problem(f"{path}.tracked", Phrase("url 和 tracked 只能填一个"))] if link.url else []
    return url_problems(f"{path}.url", link.url) if link.url else [Problem(f"{path}.url", Phrase("必填"))]


def _miniprogram_problems(path: str, card: Miniprogram, *, tracked: bool) -> list[Problem]:
    found = [
        *required(f"{path}.title", card.title, MINIPROGRAM_TITLE_MAX_BYTES),
        *required(f"{path}.appid", card.appid, APPID_MAX_BYTES),
        *required(f"{path}.page", card.page, PAGE_MAX_BYTES - (MARK_MAX_BYTES if card.tracked else 0)),
    ]
    if card.tracked and not tracked:
        found.append(Problem(f"{path}.tracked", Phrase("这里不能用跟踪链接")))
    elif card.tracked and "#" in card.page:
        found.append(Problem(f"{path}.page", Phrase("用到跟踪链接时，页面路径里不能有 #")))
    return found


def required(path: str, text: str, max_bytes: int) -> list[Problem]:
    """What is wrong with a text that must be there."""
    if not text.strip():
        return [Problem(path, Phrase("必填"))]
    return text_problems(path, text, max_bytes) + variable_problems(path, text)


def variable_problems(path: str, text: str) -> list[Problem]:
    """A text that is sent as it stands looks like a template."""
    if "{{" in text or "{%" in text:
        return [Problem(path, Phrase("附件里的文字不会替换变量，请写成固定文字"))]
    return []


def text_problems(path: str, text: str, max_bytes: int, *, multiline: bool = False) -> list[Problem]:
    """What is wrong with a text that may be empty."""
    allowed = "\n\t" if multiline else ""
    if any(char not in allowed and unicodedata.category(char) in ("Cc", "Cs") for char in text):
        return [Problem(path, Phrase("有不可见的控制字符，请删掉它后重新输入"))]
    size = len(text.encode())
    if size > max_bytes:
        return [
            Problem(
                path,
                Phrase("共 %(size)s 字节，最多 %(max_bytes)s 字节（一个汉字 3 字节）", size=size, max_bytes=max_bytes),
            )
        ]
    return []


def url_problems(path: str, url: str) -> list[Problem]:
    """What is wrong with an address on the web."""
    found = text_problems(path, url, URL_MAX_BYTES)
    if found:
        return found
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        usable = False
    # A backslash is read as a slash by some and as a part of the host's name by others: who reads it would be led
    # elsewhere than who checked it.
    if not usable or "\\" in url or any(char.isspace() for char in url):
        return [Problem(path, Phrase("应为 http:// 或 https:// 开头的完整网址，中间不能有空格"))]
    return []
