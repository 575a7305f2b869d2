"""500 channels from one XLSX: how long from handing the file in until all codes and posters are there in a ZIP, by
WeCom's own limits, and how much CPU it takes."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import subprocess
import time
import urllib.request
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import segno
from openpyxl import Workbook

from benchmarks.pages import begin_session
from benchmarks.processes import Server, bot, siyu
from benchmarks.results import Result, at_most
from benchmarks.sync import postgres
from benchmarks.welcome import identity_of, sandbox
from bot.console.logins import COOKIE
from data.db import open_database
from data.models import Role

CHANNELS, STAFF, CUSTOMERS = 500, 100, 1000
WITHIN_SECONDS, GIVEN_UP_SECONDS = 60.0, 600.0
COLUMNS = ("渠道名称", "员工", "部门", "兜底员工", "每人每天上限", "标签", "欢迎语", "备注", "海报标题")


def channels_sqlite(folder: Path) -> list[Result]:
    """Goal: 60 seconds."""
    return _measure(folder, f"sqlite:///{folder}/siyu.db", "SQLite")


def channels_postgres(folder: Path) -> list[Result]:
    """Goal: 60 seconds."""
    with postgres() as url:
        return _measure(folder, url, "PostgreSQL")


def _measure(folder: Path, database: str, name: str) -> list[Result]:
    with (
        sandbox(folder, STAFF, CUSTOMERS) as wecom,
        bot(folder, identity=identity_of(wecom), api=f"{wecom.url}/cgi-bin/", database=database) as ours,
    ):
        config = folder / "config.toml"
        subprocess.run(siyu("sync", "--config", config), check=True, capture_output=True, timeout=120)
        made = siyu("token", "create", "bench", "--scope", "channels:read", "--scope", "channels:write",
                    "--config", config)  # fmt: skip
        token = subprocess.run(made, check=True, capture_output=True, timeout=60, text=True).stdout.strip()
        picture, file = folder / "behind.png", _file(wecom)
        segno.make("behind", error="h").save(str(picture), scale=20)
        kept = subprocess.run(siyu("media", "add", picture, "--config", config), check=True, capture_output=True,
                              timeout=60, text=True).stdout.strip()  # fmt: skip
        process = psutil.Process(ours.pid)
        began, spent = time.monotonic(), _cpu(process)
        read = _call(ours, token, f"/channels/imports?filename=500.xlsx&background={kept}", file)
        if read["rows"] != CHANNELS:
            raise RuntimeError(f"the file was read as {read['rows']} channels: {read['faults'][:3]}")
        _call(ours, token, f"/channels/imports/{read['id']}/start", b"")
        while (found := _call(ours, token, f"/channels/imports/{read['id']}"))["channels"] != {"made": CHANNELS}:
            if time.monotonic() - began > GIVEN_UP_SECONDS:
                raise RuntimeError(f"after {GIVEN_UP_SECONDS:.0f} s: {found['channels']}")
            time.sleep(1)
        there = time.monotonic() - began
        packed = _download(ours, asyncio.run(_sign_in(database)), read["id"])
        seconds, spent = time.monotonic() - began, _cpu(process) - spent
    posters = sum(each.endswith(".svg") for each in zipfile.ZipFile(io.BytesIO(packed)).namelist())
    if posters != CHANNELS:
        raise RuntimeError(f"{posters} posters are in the ZIP")
    return [
        at_most(f"channels: {CHANNELS} from one file until their ZIP is there, {name}", seconds, "s", WITHIN_SECONDS),
        Result(f"channels: until all were made in WeCom, {name}", there, "s"),
        Result(f"channels: our CPU for all of it, {name}", spent, "s"),
    ]


def _file(wecom: Server) -> bytes:
    """Each with three members, a cap, tags, a welcome, a remark and a title of its own."""
    staff = [each["userid"] for each in wecom.call("/sandbox/staff")["staff"] if each["customer_contact"]]
    group = wecom.call("/sandbox/tags")["tag_groups"][0]
    tags = "、".join(f"{group['group_name']}/{each['name']}" for each in group["tags"][:2])
    book = Workbook()
    sheet: Any = book.active
    sheet.append(COLUMNS)
    for number in range(CHANNELS):
        members = "、".join(staff[(number + each) % len(staff)] for each in range(3))
        sheet.append((
            f"门店 {number}", members, "", staff[(number + 7) % len(staff)], "50", tags, f"欢迎来到门店 {number}！",
            "门店-{name}", f"扫码加好友，领门店 {number} 的优惠",
        ))  # fmt: skip
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _call(ours: Server, token: str, path: str, data: bytes | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"}
    request = urllib.request.Request(f"{ours.url}/api/v1{path}", data, headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


async def _sign_in(database: str) -> str:
    db = open_database(database)
    try:
        return await db.write(begin_session, Role.ADMIN, [], datetime.now(UTC))
    finally:
        await db.close()


def _download(ours: Server, token: str, import_id: int) -> bytes:
    connection = http.client.HTTPConnection(urlsplit(ours.url).netloc, timeout=300)
    try:
        connection.request(
            "GET", f"/console/channels/import/{import_id}/codes.zip", headers={"Cookie": f"{COOKIE}={token}"}
        )
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"the ZIP answered {answer.status}")
        return answer.read()
    finally:
        connection.close()


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
