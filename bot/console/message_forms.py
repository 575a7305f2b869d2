"""The message editor, a part of other pages: form fields to what a message says and back, for one kind of message.

Fields are named by their path in the content, below the prefix of the editor: `content.attachments[0].link.title`. So a
problem with that path stands beside its field. A page with an editor shows `message_fields(editor)` of
`message_fields.html` inside its form, and loads `message.css` and `message.js`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import BaseModel
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.message_previews import Preview, preview_of
from bot.console.painting import N_
from bot.render import LINK_PREFIX, contract_for
from data.queries import links as link_rows
from data.queries import media as media_rows
from data.queries.preview_people import PreviewPerson, list_people
from data.rules.group_welcomes import NICKNAME
from data.rules.group_welcomes import TEXT_MAX_BYTES as GROUP_WELCOME_MAX_BYTES
from data.rules.messages import MAX_ATTACHMENTS
from data.rules.problems import Problem

#: Blank places for attachments; the script adds more, and so does every showing of the page.
BLANKS = 2
#: Of the library, a list offers the newest of a kind.
FILES_OFFERED = 200
LINKS_OFFERED = 50
#: A form with more places for attachments than this was not made by our page.
SLOTS_READ = 30

IMAGE, LINK, MINIPROGRAM, VIDEO, FILE = "image", "link", "miniprogram", "video", "file"
ATTACHMENTS = {
    IMAGE: N_("图片"), LINK: N_("图文链接"), MINIPROGRAM: N_("小程序"), VIDEO: N_("视频"), FILE: N_("文件"),
}  # fmt: skip


class Part(NamedTuple):
    """A field of an attachment: `shape` is text, long, or image, video or file for one of the library."""

    name: str
    label: str
    shape: str = "text"


_FILE = {IMAGE: Part("media", N_("图片"), IMAGE), VIDEO: Part("media", N_("视频"), VIDEO)}
_TRACKED = Part("tracked", N_("跟踪链接（代替网址）"), "tracked")
_MESSAGE_PARTS: Mapping[str, tuple[Part, ...]] = {
    IMAGE: (_FILE[IMAGE],),
    LINK: (
        Part("title", N_("标题")), Part("url", N_("网址")), _TRACKED, Part("desc", N_("描述（可不填）"), "long"),
        Part("picurl", N_("封面图网址（可不填）")),
    ),
    MINIPROGRAM: (
        Part("title", N_("标题")), Part("pic_media", N_("封面图"), IMAGE), Part("appid", N_("小程序 appid")),
        Part("page", N_("页面路径")), _TRACKED._replace(label=N_("跟踪链接（可不选）")),
    ),
    VIDEO: (_FILE[VIDEO],),
    FILE: (Part("media", N_("文件"), FILE),),
}  # fmt: skip
_MOMENT_PARTS: Mapping[str, tuple[Part, ...]] = {
    IMAGE: (_FILE[IMAGE],),
    VIDEO: (_FILE[VIDEO],),
    LINK: (Part("title", N_("标题")), Part("url", N_("网址")), _TRACKED, Part("media", N_("封面图"), IMAGE)),
}
#: Fields that are told of when they are empty: then all that is wrong with a card is found at once.
_TOLD_EMPTY = ("title", "appid", "page")
#: Fields that the editor keeps and does not show.
_KEPT = {IMAGE: ("pic_url",)}


class Kind(NamedTuple):
    """A kind of message: the contract of its text (empty: it has no variables), and what may go with it."""

    name: str
    contract: str
    max_bytes: int
    parts: Mapping[str, tuple[Part, ...]]
    attachments_max: int = MAX_ATTACHMENTS


_PLAIN_PARTS: Mapping[str, tuple[Part, ...]] = {
    kind: tuple(part for part in parts if part.name != "tracked") for kind, parts in _MESSAGE_PARTS.items()
}


def _kind(name: str, parts: Mapping[str, tuple[Part, ...]] = _MESSAGE_PARTS) -> Kind:
    return Kind(name, name, contract_for(name).max_output_bytes, parts)


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        _kind("welcome"),
        _kind("broadcast"),
        _kind("personal"),
        _kind("moment", _MOMENT_PARTS),
        _kind("script", _PLAIN_PARTS),
        Kind("group_welcome", "", GROUP_WELCOME_MAX_BYTES, _PLAIN_PARTS, 1),
    )
}


#: Why a text of a kind knows less than another.
WITHHELD = {
    "broadcast": N_("群发时同一位员工的客户收到同一段文字，所以不能写客户自己的信息。"),
    "moment": N_("朋友圈由所有员工发表同一段文字，所以不能写某位员工或客户的信息。"),
    "personal": N_("这段话由员工稍后发出，所以不能写随时间变化的问候语。"),
    "script": N_("话术由员工随时发给任何客户，所以只能写客户、员工和公司的名字。"),
    "group_welcome": N_("企业微信会在昵称的位置写上新成员的名字。"),
}


class Chip(NamedTuple):
    """Something to insert into the text: what stands there, and what people call it."""

    inserts: str
    label: str


class Slot(NamedTuple):
    """A place for an attachment: its path, its kind (empty: none), and its values by kind and field."""

    path: str
    kind: str
    values: Mapping[str, Mapping[str, str]]


class File(NamedTuple):
    """A file of the library, to choose."""

    media: str
    kind: str
    filename: str


@dataclass(frozen=True, slots=True)
class Editor:
    """All that `message_fields` shows. `problems`: by the path of the field beside which they stand."""

    kind: Kind
    prefix: str
    text: str
    slots: tuple[Slot, ...]
    blank: Slot
    preview: Preview
    chips: tuple[Chip, ...]
    withheld: str
    files: tuple[File, ...]
    links: tuple[str, ...]
    people: tuple[PreviewPerson, ...]
    previewed_as: int | None
    problems: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return id_of(self.prefix)

    @property
    def names(self) -> Mapping[str, str]:
        """The kinds of attachments, by their labels."""
        return ATTACHMENTS

    @staticmethod
    def id_of(path: str) -> str:
        return id_of(path)

    def files_of(self, kind: str, chosen: str) -> list[File]:
        """What a list offers: the newest files of a kind, and the chosen one."""
        of_kind = [each for each in self.files if each.kind == kind]
        offered = of_kind[:FILES_OFFERED]
        return offered + [each for each in of_kind[FILES_OFFERED:] if each.media == chosen]


def id_of(path: str) -> str:
    """The id of a field's element."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", path).strip("-")


def read_message(form: Mapping[str, Any], prefix: str = "content", kind: str = "broadcast") -> dict[str, Any]:
    """What was typed, as the JSON of MessageContent (or MomentContent, GroupWelcomeContent), to be parsed and checked.

    Places for attachments where no kind was chosen are left out; so are empty fields.
    """
    attachments = [
        {"msgtype": slot.kind, slot.kind: _filled(kind, slot)} for slot in read_slots(form, prefix) if slot.kind
    ]
    text = _text(form, f"{prefix}.text").replace("\r\n", "\n")
    if kind == "group_welcome":
        if len(attachments) > 1:
            return {"text": text, "attachment": attachments[0], "attachments": attachments}
        return {"text": text, "attachment": attachments[0] if attachments else None}
    return {"text": text, "attachments": attachments}


def _filled(kind: str, slot: Slot) -> dict[str, str]:
    """The fields of an attachment that have a value, of those that it has in this kind of message."""
    own = {part.name for part in KINDS[kind].parts.get(slot.kind, ())} | {*_KEPT.get(slot.kind, ())}
    return {
        name: value for name, value in slot.values[slot.kind].items() if value or (name in own and name in _TOLD_EMPTY)
    }


def read_slots(form: Mapping[str, Any], prefix: str) -> list[Slot]:
    """The places for attachments of a form, in order."""
    named = re.compile(rf"{re.escape(prefix)}\.attachments\[([0-9]{{1,3}})\]\.msgtype", re.ASCII)
    numbers = sorted({int(found[1]) for name in form if (found := named.fullmatch(name))})
    slots = []
    for number in numbers[:SLOTS_READ]:
        path = f"{prefix}.attachments[{number}]"
        values = {
            kind: {
                name: _text(form, f"{path}.{kind}.{name}").replace("\r\n", "\n")
                for name in (*dict.fromkeys(part.name for parts in both for part in parts), *_KEPT.get(kind, ()))
            }
            for kind in ATTACHMENTS
            if (both := [parts[kind] for parts in (_MESSAGE_PARTS, _MOMENT_PARTS) if kind in parts])
        }
        chosen = _text(form, f"{path}.msgtype")
        slots.append(Slot(path, chosen if chosen in ATTACHMENTS else "", values))
    return slots


def place(problems: Iterable[Problem], prefix: str = "content") -> list[Problem]:
    """Problems of a content on its own (`content.text`, `attachments[0]`), by the paths of an editor's fields."""
    found = []
    for each in problems:
        path = re.sub(r"^content(?=\.|$)", "", each.path).lstrip(".")
        path = re.sub(r"^attachment(?=\.|$)", "attachments[0]", path)
        found.append(Problem(f"{prefix}.{path}" if path else prefix, each.message))
    return found


async def make_editor(
    ask: Ask,
    kind: str,
    content: BaseModel | Mapping[str, Any] | None = None,
    problems: Iterable[Problem] = (),
    *,
    prefix: str = "content",
) -> Editor:
    """An editor of what a message says: as it is kept, or as it was typed (`read_message`).

    `problems` of the whole form may be given: those below `prefix` stand beside their fields.
    """
    wanted = KINDS[kind]
    source = content.model_dump(mode="json") if isinstance(content, BaseModel) else dict(content or {})
    attachments = source.get("attachments") or ([one] if (one := source.get("attachment")) else [])
    slots = [_slot(f"{prefix}.attachments[{number}]", each) for number, each in enumerate(attachments)]
    blanks = min(BLANKS, max(0, wanted.attachments_max - len(slots)))
    slots += [Slot(f"{prefix}.attachments[{len(slots) + number}]", "", {}) for number in range(blanks)]
    follow_id = ask.number(f"{prefix}.preview_as")
    text = source.get("text") or ""
    found = await ask.db.read(_read, ask, wanted)
    preview = await preview_of(ask, wanted.contract, wanted.max_bytes, text, attachments, follow_id)
    return Editor(
        wanted, prefix, text, tuple(slots), Slot(f"{prefix}.attachments[NUMBER]", "", {}), preview,
        _chips(ask, wanted, found.links), WITHHELD.get(kind, ""), found.files, found.links,
        found.people, follow_id, _beside(problems, prefix, slots, wanted),
    )  # fmt: skip


def paths_of(prefix: str, slots: Iterable[Slot], kind: Kind) -> set[str]:
    """The paths beside which a problem can stand."""
    paths = {prefix, f"{prefix}.text"}
    for slot in slots:
        paths.add(slot.path)
        paths |= {f"{slot.path}.{each}.{part.name}" for each, parts in kind.parts.items() for part in parts}
    return paths


def beside(problems: Iterable[Problem], paths: set[str], prefix: str) -> dict[str, tuple[str, ...]]:
    """The problems of an editor, each by the path of the nearest field: the longest that its own begins with."""
    found: dict[str, tuple[str, ...]] = {}
    for each in problems:
        if each.path != prefix and not each.path.startswith((f"{prefix}.", f"{prefix}[")):
            continue
        near = [path for path in paths if each.path == path or each.path.startswith((f"{path}.", f"{path}["))]
        path = max(near, key=len)
        found[path] = (*found.get(path, ()), each.message)
    return found


def _beside(problems: Iterable[Problem], prefix: str, slots: list[Slot], kind: Kind) -> dict[str, tuple[str, ...]]:
    return beside(problems, paths_of(prefix, slots, kind), prefix)


def _slot(path: str, attachment: Mapping[str, Any]) -> Slot:
    kind = str(attachment.get("msgtype", ""))
    values = {name: value or "" for name, value in (attachment.get(kind) or {}).items()}
    return Slot(path, kind, {kind: values})


def _text(form: Mapping[str, Any], name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


class _Found(NamedTuple):
    files: tuple[File, ...]
    links: tuple[str, ...]
    people: tuple[PreviewPerson, ...]


def _read(session: Session, ask: Ask, kind: Kind) -> _Found:
    files = [File(sha256, is_a, filename) for sha256, is_a, filename, _ in reversed(media_rows.list_media(session))]
    links = (
        [each.name for each in link_rows.list_links(session, LINKS_OFFERED) if each.retired_at is None]
        if kind.contract
        else []
    )
    visible = ask.visible(session)
    return _Found(tuple(files), tuple(links), tuple(list_people(session, visible)))


def _chips(ask: Ask, kind: Kind, links: Iterable[str]) -> tuple[Chip, ...]:
    if not kind.contract:
        return (Chip(NICKNAME, ask._("新成员的昵称")),)
    variables = contract_for(kind.contract).variables
    chips = [Chip(f"{{{{ {each.name} }}}}", each.en if ask.language == "en" else each.zh) for each in variables]
    chips += [Chip(f"{{{{ {LINK_PREFIX}{name} }}}}", ask._("跟踪链接 %(name)s", name=name)) for name in links]
    return tuple(chips)
