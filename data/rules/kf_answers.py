"""What is said in WeChat customer service: texts, pictures, cards and menus, WeCom's limits on them, and the JSON that
WeCom takes (`kf/send_msg`, WeCom doc 94677). Lengths count UTF-8 bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from bot.phrases import Phrase
from data.rules.messages import MediaKey, MediaType, MissingMediaError, required, text_problems, url_problems
from data.rules.problems import Problem, RuleModel

TEXT_MAX_BYTES = 2048
HEAD_MAX_BYTES = 1024
LINK_TITLE_MAX_BYTES = 128
LINK_DESC_MAX_BYTES = 512
CARD_TITLE_MAX_BYTES = 64
CLICK_MAX_BYTES = 128
CLICK_ID_MAX_BYTES = 128
VIEW_MAX_BYTES = 1024
PLAIN_MAX_BYTES = 256
APPID_MAX_BYTES = 32
PAGE_MAX_BYTES = 1024
MENU_ITEMS_MAX = 50
#: Of the items of a menu, so many may be tapped.
TAPPED_MAX = 10
#: So many messages may follow one of the customer's.
ANSWERS_MAX = 5
#: So many of them may be what the knowledge says: a text and a card.
KNOWN_MAX = 2


class KfText(RuleModel):
    msgtype: Literal["text"] = "text"
    text: str


class KfImage(RuleModel):
    msgtype: Literal["image"] = "image"
    media: MediaKey


class KfLink(RuleModel):
    """A card that opens `url`; `media` is its picture."""

    msgtype: Literal["link"] = "link"
    title: str
    desc: str = ""
    url: str
    media: MediaKey


class KfMiniprogram(RuleModel):
    """A card that opens `page` (with .html) of a mini-program; `media` is its cover."""

    msgtype: Literal["miniprogram"] = "miniprogram"
    title: str = ""
    appid: str
    page: str
    media: MediaKey


class MenuItem(RuleModel):
    """A line of a menu. `click`: tapped, it is the customer's message with this `id`; `view` opens `url`;
    `miniprogram` opens `page`; `text` cannot be tapped."""

    kind: Literal["click", "view", "miniprogram", "text"] = "click"
    words: str
    id: str = ""
    url: str = ""
    appid: str = ""
    page: str = ""


class KfMenu(RuleModel):
    msgtype: Literal["msgmenu"] = "msgmenu"
    head: str = ""
    items: tuple[MenuItem, ...] = ()
    tail: str = ""


KfAnswer = Annotated[KfText | KfImage | KfLink | KfMiniprogram | KfMenu, Field(discriminator="msgtype")]
#: What may be sent by the code of an event.
BY_CODE = ("text", "msgmenu")


def media_of(answer: KfAnswer) -> tuple[str, MediaType] | None:
    """The file that an answer needs uploaded; None when it needs none."""
    return (answer.media, "image") if isinstance(answer, KfImage | KfLink | KfMiniprogram) else None


def media_needed(answers: Iterable[KfAnswer]) -> tuple[tuple[str, MediaType], ...]:
    """The same of several, each once."""
    return tuple(dict.fromkeys(each for each in map(media_of, answers) if each is not None))


def to_wecom(answer: KfAnswer, media_ids: Mapping[str, str]) -> dict[str, Any]:
    """The body of WeCom's request under the answer's `msgtype`. Raises MissingMediaError."""
    media = media_of(answer)
    if media is not None and not media_ids.get(media[0]):
        raise MissingMediaError(
            Phrase("素材 %(missing)s 没有可用的 media_id。", missing=media[0][:12]), Phrase("请重新上传素材。")
        )
    match answer:
        case KfText(text=text):
            return {"content": text}
        case KfImage(media=key):
            return {"media_id": media_ids[key]}
        case KfLink():
            card = {"title": answer.title, "url": answer.url, "thumb_media_id": media_ids[answer.media]}
            return {**card, "desc": answer.desc} if answer.desc else card
        case KfMiniprogram():
            card = {"appid": answer.appid, "pagepath": answer.page, "thumb_media_id": media_ids[answer.media]}
            return {**card, "title": answer.title} if answer.title else card
        case KfMenu():
            told = {"head_content": answer.head, "list": [_item(each) for each in answer.items]}
            return {**told, "tail_content": answer.tail} if answer.tail else told


def _item(item: MenuItem) -> dict[str, Any]:
    match item.kind:
        case "click":
            body = {"id": item.id, "content": item.words}
        case "view":
            body = {"url": item.url, "content": item.words}
        case "miniprogram":
            body = {"appid": item.appid, "pagepath": item.page, "content": item.words}
        case "text":
            body = {"content": item.words}
    return {"type": item.kind, item.kind: body}


def words_of(answer: KfAnswer) -> str:
    """What a person reads of it."""
    match answer:
        case KfText(text=text):
            return text
        case KfImage():
            return ""
        case KfLink() | KfMiniprogram():
            return answer.title
        case KfMenu():
            return "\n".join(
                each for each in (answer.head, *(item.words for item in answer.items), answer.tail) if each
            )


def problems(answer: KfAnswer, path: str) -> list[Problem]:
    """Everything about an answer that WeCom would refuse, by field; empty: it can be sent."""
    match answer:
        case KfText(text=text):
            return _required(f"{path}.text", text, TEXT_MAX_BYTES, multiline=True)
        case KfImage():
            return []
        case KfLink():
            found = required(f"{path}.title", answer.title, LINK_TITLE_MAX_BYTES)
            found += text_problems(f"{path}.desc", answer.desc, LINK_DESC_MAX_BYTES, multiline=True)
            return found + _address_problems(f"{path}.url", answer.url)
        case KfMiniprogram():
            return [
                *text_problems(f"{path}.title", answer.title, CARD_TITLE_MAX_BYTES),
                *required(f"{path}.appid", answer.appid, APPID_MAX_BYTES),
                *_page_problems(f"{path}.page", answer.page),
            ]
        case KfMenu():
            return _menu_problems(answer, path)


def _menu_problems(menu: KfMenu, path: str) -> list[Problem]:
    found = text_problems(f"{path}.head", menu.head, HEAD_MAX_BYTES, multiline=True)
    found += text_problems(f"{path}.tail", menu.tail, HEAD_MAX_BYTES, multiline=True)
    if not menu.items:
        found.append(Problem(f"{path}.items", Phrase("菜单至少要有一项")))
    if len(menu.items) > MENU_ITEMS_MAX:
        found.append(Problem(f"{path}.items", Phrase("菜单最多 %(most)s 项", most=MENU_ITEMS_MAX)))
    if sum(item.kind != "text" for item in menu.items) > TAPPED_MAX:
        found.append(Problem(f"{path}.items", Phrase("可以点击的菜单项最多 %(most)s 个", most=TAPPED_MAX)))
    ids = [item.id for item in menu.items if item.kind == "click" and item.id]
    for index, item in enumerate(menu.items):
        place = f"{path}.items[{index}]"
        match item.kind:
            case "click":
                found += required(f"{place}.words", item.words, CLICK_MAX_BYTES)
                found += required(f"{place}.id", item.id, CLICK_ID_MAX_BYTES)
                if ids.count(item.id) > 1:
                    found.append(Problem(f"{place}.id", Phrase("菜单项编号重复：%(id)s", id=item.id)))
            case "view":
                found += required(f"{place}.words", item.words, VIEW_MAX_BYTES)
                found += _address_problems(f"{place}.url", item.url)
            case "miniprogram":
                found += required(f"{place}.words", item.words, VIEW_MAX_BYTES)
                found += required(f"{place}.appid", item.appid, APPID_MAX_BYTES)
                found += _page_problems(f"{place}.page", item.page)
            case "text":
                found += _required(f"{place}.words", item.words, PLAIN_MAX_BYTES, multiline=True)
    return found


def _required(path: str, text: str, max_bytes: int, *, multiline: bool = False) -> list[Problem]:
    if not text.strip():
        return [Problem(path, Phrase("必填"))]
    return text_problems(path, text, max_bytes, multiline=multiline)


def _address_problems(path: str, url: str) -> list[Problem]:
    return url_problems(path, url) if url else [Problem(path, Phrase("必填"))]


def _page_problems(path: str, page: str) -> list[Problem]:
    found = required(path, page, PAGE_MAX_BYTES)
    if not found and ".html" not in page:
        found.append(Problem(path, Phrase("小程序页面路径要以 .html 结尾")))
    return found
