"""Pictures of channels' codes to print: the code as WeCom draws it, a poster around it, many of them in a ZIP.

What a code says is known to WeCom alone: it tells the address of a picture. An SVG of ours holds that picture as it is,
and never one drawn anew, which would lead elsewhere. What a customer-acquisition link says is known: its code is
drawn by us.
"""

from __future__ import annotations

import base64
import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import IO, Any, NamedTuple

from sqlmodel import Session

from bot.channel_links import code_png
from data.models import ChannelKind, ChannelPlan
from data.queries import channel_plans as rows
from data.queries.channel_images import find_image
from data.queries.media import find_media
from data.rules.acquisition import address_of
from data.rules.channels import ChannelPlanned
from data.rules.problems import parse

WIDTH, HEIGHT = 900, 1200
PANEL, CODE, LINE, LETTER = 680, 500, 64, 46
#: What a line of the title takes, in widths of a Chinese character.
LINE_WIDTH = 13
LINES_MAX = 5
INVITES = "微信扫一扫，添加好友"
_FONTS = "PingFang SC, Microsoft YaHei, Noto Sans CJK SC, sans-serif"
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')
_FORMULA = ("=", "+", "-", "@")


class Printed(NamedTuple):
    """A channel as it is printed. `background`: the key of a picture of the media library. `address`: of a link, what
    is given to customers."""

    id: int
    name: str
    state: str
    title: str
    background: str
    address: str = ""


def printed(row: ChannelPlan) -> Printed:
    """What stands on a channel's poster."""
    poster = parse(ChannelPlanned, row.definition).poster
    leads = row.kind == ChannelKind.LINK and row.status not in rows.ENDED
    address = address_of(row.qr_code, row.state) if leads else ""
    return Printed(row.id or 0, row.name, row.state, poster.title or row.name, poster.background, address)


def code_svg(code: bytes) -> str:
    """A code as SVG."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 1000" width="1000" height="1000">'
        f'<image href="{data_uri(code)}" width="1000" height="1000"/></svg>'
    )


def poster_svg(title: str, code: bytes, background: str = "") -> str:
    """A code with a title above it. `background`: where the picture behind it is, as an address or as data."""
    lines = list(_wrapped(title))
    height = 70 + LINE * len(lines) + CODE + 110
    left, top = (WIDTH - PANEL) // 2, (HEIGHT - height) // 2
    behind = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#e8f3ec"/>'
    if background:
        size = f'width="{WIDTH}" height="{HEIGHT}" preserveAspectRatio="xMidYMid slice"'
        behind += f'<image href="{escape(background)}" {size}/>'
    words = "".join(
        f'<text x="{WIDTH // 2}" y="{top + 70 + LINE * number + LETTER // 2}" font-size="{LETTER}" font-weight="700"'
        f' fill="#1f2933" text-anchor="middle">{escape(line)}</text>'
        for number, line in enumerate(lines)
    )
    code_top = top + 60 + LINE * len(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        f' font-family="{_FONTS}">{behind}'
        f'<rect x="{left}" y="{top}" width="{PANEL}" height="{height}" rx="36" fill="#fff"/>{words}'
        f'<image href="{data_uri(code)}" x="{(WIDTH - CODE) // 2}" y="{code_top}" width="{CODE}" height="{CODE}"/>'
        f'<text x="{WIDTH // 2}" y="{code_top + CODE + 56}" font-size="32" fill="#52606d" text-anchor="middle">'
        f"{INVITES}</text></svg>"
    )


def read_poster(session: Session, row: ChannelPlan) -> tuple[Printed, str]:
    """What stands on a poster, and the picture behind it as data."""
    found = printed(row)
    media = find_media(session, found.background) if found.background else None
    return found, data_uri(media.content) if media else ""


def data_uri(content: bytes) -> str:
    """A picture as the address of itself."""
    return f"data:{content_type_of(content)};base64,{base64.b64encode(content).decode()}"


def content_type_of(content: bytes) -> str:
    """PNG or JPG."""
    return "image/png" if content.startswith(b"\x89PNG") else "image/jpeg"


def file_name(each: Printed) -> str:
    """What a channel's files are called, without an ending: its name, and its state, which no other has."""
    name = _UNSAFE.sub("_", each.name).strip(" .")[:40]
    return f"{name}-{each.state}"


# -- many at once


def read_printed(session: Session, wanted: rows.PlanFilter, most: int) -> list[Printed]:
    """What is printed of some channels, those made first at the beginning."""
    return [printed(row) for row in reversed(rows.list_plans(session, wanted, most))]


def read_codes(session: Session, ids: Iterable[int]) -> dict[int, bytes]:
    """The pictures of codes that were fetched."""
    return {id_: content for id_ in ids if (content := find_image(session, id_)) is not None}


def read_backgrounds(session: Session, found: Iterable[Printed]) -> dict[str, bytes]:
    """The pictures behind posters, by their keys."""
    keys = {each.background for each in found if each.background}
    return {key: media.content for key in sorted(keys) if (media := find_media(session, key)) is not None}


def write_zip(
    file: IO[bytes], found: Iterable[Printed], codes: Mapping[int, bytes], backgrounds: Mapping[str, bytes]
) -> int:
    """Codes and posters as a ZIP, with a list of them; how many are in it. The codes of links are drawn here.

    A background of many posters is in it once, beside them.
    """
    count = 0
    listed = io.StringIO()
    lines: Any = csv.writer(listed)
    lines.writerow(("id", "name", "state", "file", "address"))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        places = {}
        for key, content in backgrounds.items():
            ending = "png" if content_type_of(content) == "image/png" else "jpg"
            places[key] = f"background-{key[:12]}.{ending}"
            packed.writestr(zipfile.ZipInfo(places[key]), content)
        for each in found:
            code, name = codes.get(each.id) or (code_png(each.address) if each.address else None), file_name(each)
            picture = f"{name}.{'png' if content_type_of(code) == 'image/png' else 'jpg'}" if code else ""
            shown = f"'{each.name}" if each.name.startswith(_FORMULA) else each.name
            lines.writerow((each.id, shown, each.state, picture, each.address))
            if code is None:
                continue
            count += 1
            packed.writestr(zipfile.ZipInfo(picture), code)
            packed.writestr(f"{name}.svg", poster_svg(each.title, code, places.get(each.background, "")))
        packed.writestr("channels.csv", "\ufeff" + listed.getvalue())
    return count


def _wrapped(title: str) -> Iterator[str]:
    """The lines of a title; what does not fit is left out."""
    line, width, number = "", 0.0, 1
    for char in "".join(each for each in title if unicodedata.category(each)[0] != "C"):
        takes = 1.0 if unicodedata.east_asian_width(char) in "WF" else 0.58
        if width + takes > LINE_WIDTH:
            if number == LINES_MAX:
                break
            yield line.strip()
            line, width, number = "", 0.0, number + 1
        line, width = line + char, width + takes
    if line.strip():
        yield line.strip()
