"""What staff write to the app: which of it is a command, and who may give it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from data.rules.campaigns import Act

#: A longer text is none: people write to the app for other reasons too.
MAX_LENGTH = 40
#: What stood in a queue for longer is not done any more: whoever wrote it may have gone on otherwise.
ACT_WITHIN = timedelta(hours=1)


class Verb(StrEnum):
    """What a command asks for."""

    HELP = "help"
    TASKS = "tasks"
    POSTS = "posts"
    RESULTS = "results"
    PAUSE = "pause"
    RESUME = "resume"
    #: Asks whether it is meant; then it is confirmed with the other word.
    CANCEL = "cancel"
    CONFIRM_CANCEL = "confirm_cancel"


WORDS: Mapping[str, Verb] = {
    "帮助": Verb.HELP, "help": Verb.HELP, "?": Verb.HELP,
    "待办": Verb.TASKS, "任务": Verb.TASKS, "todo": Verb.TASKS,
    "朋友圈": Verb.POSTS, "moments": Verb.POSTS,
    "结果": Verb.RESULTS, "results": Verb.RESULTS,
    "暂停": Verb.PAUSE, "pause": Verb.PAUSE,
    "恢复": Verb.RESUME, "继续": Verb.RESUME, "resume": Verb.RESUME,
    "取消": Verb.CANCEL, "cancel": Verb.CANCEL,
    "确认取消": Verb.CONFIRM_CANCEL, "confirm": Verb.CONFIRM_CANCEL,
}  # fmt: skip
#: About one campaign, by its number; those with an act change it.
NUMBERED = frozenset({Verb.RESULTS, Verb.PAUSE, Verb.RESUME, Verb.CANCEL, Verb.CONFIRM_CANCEL})
ACTS: Mapping[Verb, Act] = {Verb.PAUSE: Act.PAUSE, Verb.RESUME: Act.RESUME, Verb.CONFIRM_CANCEL: Act.CANCEL}
_COMMAND = re.compile(r"(?P<word>[^\s0-9#]+)\s*(?:#?\s*(?P<number>[0-9]{1,18}))?[。.!]*")
_BLANKS = re.compile(r"(?<![0-9])\s+|\s+(?![0-9])")
#: The traditional characters that words of staff are written with, and the simplified ones that they stand for.
_SIMPLIFIED = str.maketrans(
    "戶籤標貼減刪記錄備註進聯繫絡單後遲話術庫說麼據數業績團隊門計劃發過駁絕報選幫號條個週兩點關開閉復認務結繼續暫辦確無沒",
    "户签标贴减删记录备注进联系络单后迟话术库说么据数业绩团队门计划发过驳绝报选帮号条个周两点关开闭复认务结继续暂办确无没",
)


def simplified(text: str) -> str:
    """A text with the characters of our own words as they are written in mainland China; it is as long as before."""
    return text.translate(_SIMPLIFIED)


class Command(NamedTuple):
    """A command; `number` of the campaign that it is about, if it names one."""

    verb: Verb
    number: int | None = None


def parse_command(text: str) -> Command | None:
    """The command that a text is, and nothing else beside it; None: it is none.

    Upper and lower case, full and half width, traditional and simplified characters are the same; blanks make no
    difference, but between digits.
    """
    if len(text) > MAX_LENGTH:
        return None
    written = _BLANKS.sub("", simplified(unicodedata.normalize("NFKC", text).strip().casefold()))
    found = _COMMAND.fullmatch(written) if len(written) <= MAX_LENGTH else None
    if found is None:
        return None
    verb = WORDS.get(found["word"].rstrip("。.!"))
    if verb is None or (found["number"] is not None and verb not in NUMBERED):
        return None
    return Command(verb, None if found["number"] is None else int(found["number"]))


def may_command(verb: Verb, userid: str, *, owner: str, managers: Collection[str], approvers: Collection[str]) -> bool:
    """Whether a member may ask this of a campaign: its owner and managers all of it, who is to approve it the results.

    Userids are the same however they are written: WeCom tells no upper case from lower case in them.
    """
    who = userid.casefold()
    if who == owner.casefold() or who in {each.casefold() for each in managers}:
        return bool(who)
    return verb is Verb.RESULTS and who in {each.casefold() for each in approvers}


def is_stale(received_at: datetime, now: datetime) -> bool:
    """Whether a command is too old to be done."""
    return now - received_at > ACT_WITHIN
