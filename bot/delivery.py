"""Render, send, record: what handlers and jobs share.

Alerts to staff go out through a table: the row is written with what caused it, the call follows, and the app message
carries WeCom's duplicate check, so that an alert is neither lost nor sent twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlmodel import Session

from bot.context import Context
from bot.logs import get_logger
from bot.phrases import Phrase
from bot.render import split_text
from bot.staff_words import Value, language_of, render
from bot.wecom.errors import GoneError, InvalidMediaError, InvalidRequestError, WeComError
from data.models import Alert
from data.queries import alerts as alert_rows
from data.queries import media as media_rows
from data.rules.media import UploadEndpoint
from data.rules.messages import MediaType, MessageContent, MissingMediaError, media_needed, to_wecom
from data.rules.retry import pause_seconds
from data.rules.schedule import local_datetime

log = get_logger("delivery")

#: WeCom keeps an upload three days; one older than this is uploaded again before it is used.
MEDIA_FRESH = timedelta(hours=60)

#: WeCom cuts the text of an app message here.
APP_TEXT_MAX_BYTES = 2048
#: WeCom silently drops app messages beyond 30 a minute to one member.
ALERTS_PER_MINUTE = 25
#: More than so many at once to one member become one.
MERGED_ABOVE = 3
ALERT_LEASE_SECONDS = 60.0
ALERT_ATTEMPTS = 20
#: The longest that WeCom compares: repeats within it are not delivered.
DUPLICATE_CHECK_SECONDS = 14_400


#: The kinds of answers; scripts are sent on as they are.
REPLY, SCRIPT = "reply", "script"
#: An answer that the waiting request did not take goes by app message after this time.
REPLY_GRACE = timedelta(seconds=2)
TIME_BYTES = 64
#: A script may be asked for again a minute later.
SCRIPT_CHECK_SECONDS = 60


async def queue_alert(
    ctx: Context,
    slug: str,
    userid: str,
    values: Mapping[str, Value],
    *,
    dedupe_key: str,
    external_userid: str = "",
) -> bool:
    """Render a `staff_alert` template in a member's language and queue it for them. False when this alert was queued
    before."""
    return await ctx.db.write(
        add_alert, ctx, slug, userid, values, dedupe_key=dedupe_key, external_userid=external_userid
    )


def add_alert(
    session: Session,
    ctx: Context,
    slug: str,
    userid: str,
    values: Mapping[str, Value],
    *,
    dedupe_key: str,
    external_userid: str = "",
) -> bool:
    """`queue_alert` as part of the transaction that writes what happened: a crash leaves both or neither."""
    words = render(ctx, slug, language_of(session, ctx, userid), **values)
    return add_words(session, ctx, slug, userid, words, dedupe_key=dedupe_key, external_userid=external_userid)


def add_words(
    session: Session,
    ctx: Context,
    slug: str,
    userid: str,
    words: str,
    *,
    dedupe_key: str,
    external_userid: str = "",
) -> bool:
    """The same for words that are rendered already."""
    added = [
        alert_rows.add_alert(
            session,
            dedupe_key=f"{dedupe_key}:{slug}:{userid}:{number}",
            kind=slug,
            userid=userid,
            external_userid=external_userid,
            words=part,
            now=ctx.clock.now(),
        )
        for number, part in enumerate(split_text(words, APP_TEXT_MAX_BYTES), 1)
    ]
    return any(added)


def add_reply(
    session: Session,
    ctx: Context,
    userid: str,
    event_id: int,
    words: str,
    *,
    slug: str = REPLY,
    external_userid: str = "",
) -> bool:
    """Queue the answer to what a member wrote or tapped. False when it was answered before.

    The beginning goes back in the response to the request that told of it, as long as that waits (`bot/answering.py`);
    otherwise, and for what is longer, an app message follows.
    """
    now = ctx.clock.now()
    due_at = now + REPLY_GRACE if ctx.replies.is_awaited(event_id) else now
    # An app message needs room for the time that makes it another than the one before.
    most = APP_TEXT_MAX_BYTES if slug == SCRIPT else APP_TEXT_MAX_BYTES - TIME_BYTES
    added = [
        alert_rows.add_alert(
            session,
            dedupe_key=alert_rows.reply_key(event_id, number),
            kind=slug,
            userid=userid,
            external_userid=external_userid,
            words=part,
            now=now,
            due_at=due_at,
        )
        for number, part in enumerate(split_text(words, most), 1)
    ]
    return any(added)


def add_file(
    session: Session, ctx: Context, slug: str, userid: str, media_id: str, name: str, *, dedupe_key: str
) -> bool:
    """The same for a file that WeCom has: it goes after what was queued before."""
    return alert_rows.add_alert(
        session,
        dedupe_key=f"{dedupe_key}:{slug}:{userid}:file",
        kind=slug,
        userid=userid,
        external_userid="",
        words=name,
        media_id=media_id,
        now=ctx.clock.now(),
    )


def add_media(
    session: Session,
    ctx: Context,
    userid: str,
    media_id: str,
    media_type: str,
    name: str,
    event_id: int,
    number: int,
) -> bool:
    """A file that goes with the answer to an event, after it: an image, a video or any other file."""
    return alert_rows.add_alert(
        session,
        dedupe_key=alert_rows.reply_key(event_id, -number),
        kind=REPLY,
        userid=userid,
        external_userid="",
        words=name,
        media_id=media_id,
        media_type=media_type,
        now=ctx.clock.now(),
        due_at=ctx.clock.now() + REPLY_GRACE,
    )


async def send_due_alerts(ctx: Context, limit: int = 100) -> int:
    """Send what is due, each member's in order; the number sent. One that fails does not hold up the others."""
    alerts = await ctx.db.write(alert_rows.claim_due_alerts, ctx.clock.now(), ALERT_LEASE_SECONDS, limit)
    by_member: dict[str, list[Alert]] = {}
    for alert in alerts:
        by_member.setdefault(alert.userid, []).append(alert)
    # All end before this does, whatever happens to one of them: nothing goes on beside the job.
    ended = await asyncio.gather(*(_send_to_member(ctx, mine) for mine in by_member.values()), return_exceptions=True)
    sent = 0
    for result in ended:
        if isinstance(result, BaseException):
            raise result
        sent += result
    return sent


async def _send_to_member(ctx: Context, alerts: list[Alert]) -> int:
    sent = 0
    for alert in await _merged(ctx, alerts):
        sent += await _send_alert(ctx, alert)
    return sent


async def _merged(ctx: Context, alerts: list[Alert]) -> list[Alert]:
    """What a member is sent of what has come together: more than a few are one message, for WeCom drops what is more
    than 30 a minute without a word, and nobody reads so many. Answers and files stay what they are, and so does what
    was tried before: its first try may have arrived."""
    plain = [each for each in alerts if each.attempts == 1 and not each.media_id and each.kind not in (REPLY, SCRIPT)]
    if len(plain) <= MERGED_ABOVE or ctx.observes:
        return alerts
    found = [each for each in alerts if each not in plain]
    group: list[Alert] = []
    for alert in [*plain, None]:
        words = "\n\n".join(each.words.strip() for each in [*group, *([alert] if alert else [])])
        if alert is not None and (not group or len(words.encode()) <= APP_TEXT_MAX_BYTES):
            group.append(alert)
            continue
        found += await _merge(ctx, group)
        group = [alert] if alert is not None else []
    return found


async def _merge(ctx: Context, alerts: list[Alert]) -> list[Alert]:
    if len(alerts) < 2:
        return alerts
    words = "\n\n".join(each.words.strip() for each in alerts)
    made = await ctx.db.write(alert_rows.merge_alerts, alerts, words, ctx.clock.now(), ALERT_LEASE_SECONDS)
    return alerts if made is None else [made]


async def _send_alert(ctx: Context, alert: Alert) -> bool:
    assert alert.id is not None
    now = ctx.clock.now()
    if ctx.observes:
        await ctx.db.write(alert_rows.finish_alert, alert.id, "observed", now=now)
        return False
    recent = await ctx.db.read(alert_rows.count_sent, alert.userid, now - timedelta(minutes=1))
    if recent >= ALERTS_PER_MINUTE:
        await ctx.db.write(alert_rows.put_off_alert, alert.id, now + timedelta(seconds=60), "30 messages a minute")
        return False
    try:
        answer = await ctx.wecom.message.send(
            ctx.settings.app.agentid,
            [alert.userid],
            msg=(
                {"msgtype": alert.media_type, alert.media_type: {"media_id": alert.media_id}}
                if alert.media_id
                else {"msgtype": "text", "text": {"content": await _content(ctx, alert)}}
            ),
            duplicate_check_seconds=SCRIPT_CHECK_SECONDS if alert.kind == SCRIPT else DUPLICATE_CHECK_SECONDS,
        )
    except WeComError as error:
        await _put_off(ctx, alert, error, now)
        return False
    if answer.get("invaliduser"):
        cause = f"{alert.userid} is not in the app's visible range, so WeCom does not deliver to them."
        log.warning("alert_refused", alert_id=alert.id, userid=alert.userid, cause=cause)
        await ctx.db.write(alert_rows.finish_alert, alert.id, "failed", now=now, error=cause)
        return False
    await ctx.db.write(
        alert_rows.finish_alert, alert.id, "sent", now=ctx.clock.now(), msgid=str(answer.get("msgid") or "")
    )
    return True


async def _content(ctx: Context, alert: Alert) -> str:
    """What an app message says. The same words within four hours would not be delivered: the time makes each answer
    another, and is the same however often one is tried."""
    if alert.kind != REPLY:
        return alert.words
    at = local_datetime(alert.created_at, ctx.settings.zone)
    language = await ctx.db.read(language_of, ctx, alert.userid)
    said = render(ctx, REPLY, language, words=alert.words, asked_at=f"{at:%H:%M:%S}")
    return split_text(said, APP_TEXT_MAX_BYTES)[0]


async def _put_off(ctx: Context, alert: Alert, error: WeComError, now: datetime) -> None:
    assert alert.id is not None
    # A lost answer may be a delivered message; WeCom's duplicate check makes the repeat harmless. What an operator has
    # to mend (a secret, a trusted IP, a right) is worth waiting for; what WeCom will never take is not.
    again = not isinstance(error, InvalidRequestError | GoneError)
    pause = pause_seconds(alert.attempts, ALERT_ATTEMPTS, error.after_seconds, ctx.random.random()) if again else None
    log.warning("alert_failed", alert_id=alert.id, userid=alert.userid, again=pause is not None, cause=str(error))
    await ctx.db.write(
        alert_rows.finish_alert,
        alert.id,
        "failed" if pause is None else "waiting",
        now=now,
        due_at=None if pause is None else now + timedelta(seconds=pause),
        error=str(error),
    )


async def message_body(ctx: Context, content: MessageContent, *, urgent: bool = False) -> dict[str, object]:
    """WeCom's `text` and `attachments`, with media uploaded where the last upload is too old.

    Raises MissingMediaError when a file is not in the library or WeCom does not take it, WeComError when the upload
    cannot be made now.
    """
    ids = {key: await media_id_of(ctx, key, kind, urgent=urgent) for key, kind in media_needed(content)}
    return to_wecom(content, ids)


async def media_id_of(
    ctx: Context, sha256: str, kind: MediaType, *, urgent: bool = False, endpoint: UploadEndpoint = "upload"
) -> str:
    """The WeCom id of a file, uploaded now if it was not within the last days. Raises MissingMediaError, WeComError."""
    now = ctx.clock.now()
    known = await ctx.db.read(media_rows.find_upload, sha256, endpoint, now - MEDIA_FRESH)
    if known is not None:
        return known
    media = await ctx.db.read(media_rows.find_media, sha256)
    if media is None:
        raise MissingMediaError(
            Phrase("素材库里没有 %(sha256)s…。", sha256=sha256[:12]), Phrase("请用 siyu media add 添加文件。")
        )
    client = ctx.wecom.within(urgent=urgent)
    try:
        if endpoint == "upload":
            answer = await client.media.upload(kind, media.content, media.filename)
        else:
            answer = await client.media.upload_attachment(kind, media.content, 1, media.filename)
    except InvalidMediaError as error:
        raise MissingMediaError(
            Phrase("企业微信不接受素材 %(filename)s（%(errcode)s）。", filename=media.filename, errcode=error.errcode),
            error.remedy,
        ) from error
    media_id = str(answer["media_id"])
    await ctx.db.write(media_rows.record_upload, sha256, endpoint, media_id, now)
    return media_id


async def forget_media(ctx: Context, content: MessageContent) -> None:
    """WeCom refused the ids of these attachments: have them uploaded again next time."""
    await forget_uploads(ctx, [sha256 for sha256, _ in media_needed(content)])


async def forget_uploads(ctx: Context, keys: Iterable[str], endpoint: UploadEndpoint = "upload") -> None:
    """The same for files by their key."""
    for sha256 in keys:
        await ctx.db.write(media_rows.forget_upload, sha256, endpoint)
