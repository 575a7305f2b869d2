"""The contracts of message templates: which variables a kind of message has, and how long each may become."""

from __future__ import annotations

from dataclasses import dataclass

from bot.phrases import Phrase
from bot.render.alerts import ALERTS
from bot.render.assistant import ASSISTANT, in_english
from bot.render.variables import (
    BROADCAST_VARIABLES,
    COMPANY_NAME,
    MOMENT_VARIABLES,
    PERSONAL_VARIABLES,
    SCRIPT_VARIABLES,
    SENDER_VARIABLES,
    WELCOME_MAX_BYTES,
    WELCOME_VARIABLES,
    Variable,
)

#: An alert may be longer than the 2048 bytes of one app message: `split_text` makes several of it.
ALERT_MAX_BYTES = 8192
#: Text of a group-send (WeCom doc 92135).
BROADCAST_MAX_BYTES = 4000
#: What WeCom lets a member send a customer at once is nowhere said; as much as a welcome.
PERSONAL_MAX_BYTES = 4000
#: Text of a Moments post (WeCom doc 95094).
MOMENT_MAX_BYTES = 4000
MOMENT_MAX_CHARACTERS = 2000
#: What a language model is told: the knowledge that it answers from is most of it.
PROMPT_MAX_BYTES = 32_768
KNOWLEDGE_MAX_BYTES = 12_288
#: `link_NAME` is the address of the tracked link NAME, which is no longer than this.
LINK_PREFIX = "link_"
LINK_MAX_BYTES = 128
SAMPLE_LINK = "https://siyu.example.com/l/4fQ0zKm9Xb"

PROMPT_VARIABLES = (
    COMPANY_NAME,
    Variable(
        name="knowledge",
        zh="知识库里的相关问答",
        en="answers of the knowledge that fit the question",
        fallback="（没有资料）",
        sample="问：什么时候发货\n答：下单后 48 小时内发货。",
        max_bytes=KNOWLEDGE_MAX_BYTES,
    ),
    Variable(
        name="no_answer", zh="没有答案时写的话", en="what is written without an answer", fallback="无答案",
        sample="无答案", max_bytes=64,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a template of one kind may use and how long its text may become.

    `neutral_markup`: WeCom shows `<a href>` in these texts as a link, so that the `<` of a value is sent as
    `＜`. `withheld`: variables that people know from other texts, and `withheld_because` these have them not.
    `has_links`: tracked links are variables too.
    """

    kind: str
    slug: str = ""
    variables: tuple[Variable, ...]
    max_output_bytes: int
    max_output_characters: int | None = None
    neutral_markup: bool = False
    withheld: tuple[str, ...] = ()
    withheld_because: str = ""
    has_links: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(variable.name for variable in self.variables)

    def find(self, name: str) -> Variable | None:
        if self.has_links and name.startswith(LINK_PREFIX):
            return Variable(
                name=name, zh="跟踪链接", en="tracked link", fallback="", sample=SAMPLE_LINK, max_bytes=LINK_MAX_BYTES
            )
        return next((variable for variable in self.variables if variable.name == name), None)

    def samples(self) -> dict[str, str]:
        """A plausible value per variable, for previews."""
        return {variable.name: variable.sample for variable in self.variables}


_ALERTS = ALERTS | ASSISTANT
_STAFF_ALERTS = _ALERTS | {f"{slug}_en": in_english(_ALERTS[slug]) for slug in _ALERTS}
#: By `kind`, or by `kind/slug` where each template of a kind has variables of its own.
CONTRACTS: dict[str, Contract] = {
    "welcome": Contract(
        kind="welcome", variables=WELCOME_VARIABLES, max_output_bytes=WELCOME_MAX_BYTES, has_links=True
    ),
    "broadcast": Contract(
        kind="broadcast",
        variables=BROADCAST_VARIABLES,
        max_output_bytes=BROADCAST_MAX_BYTES,
        withheld=tuple(each.name for each in WELCOME_VARIABLES if each not in SENDER_VARIABLES),
        withheld_because=Phrase("群发时同一位员工的所有客户收到的是同一段文字，不能写客户自己的信息"),
        has_links=True,
    ),
    "moment": Contract(
        kind="moment",
        variables=MOMENT_VARIABLES,
        max_output_bytes=MOMENT_MAX_BYTES,
        max_output_characters=MOMENT_MAX_CHARACTERS,
        withheld=tuple(each.name for each in WELCOME_VARIABLES if each is not COMPANY_NAME),
        withheld_because=Phrase("朋友圈由所有员工发表同一段文字，不能写某位员工或客户的信息"),
        has_links=True,
    ),
    "personal": Contract(
        kind="personal",
        variables=PERSONAL_VARIABLES,
        max_output_bytes=PERSONAL_MAX_BYTES,
        withheld=("time_of_day",),
        withheld_because=Phrase("这段话由员工稍后发出，说不准是一天里的什么时候"),
        has_links=True,
    ),
    "script": Contract(
        kind="script",
        variables=SCRIPT_VARIABLES,
        max_output_bytes=PERSONAL_MAX_BYTES,
        withheld=("time_of_day", "channel_name", "added_date"),
        withheld_because=Phrase("话术由员工随时发给任何客户，只能写客户、员工和公司的名字"),
    ),
    "model_prompt": Contract(kind="model_prompt", variables=PROMPT_VARIABLES, max_output_bytes=PROMPT_MAX_BYTES),
    **{
        f"staff_alert/{slug}": Contract(
            kind="staff_alert",
            slug=slug,
            variables=variables,
            max_output_bytes=ALERT_MAX_BYTES,
            neutral_markup=True,
        )
        for slug, variables in _STAFF_ALERTS.items()
    },
}


def contract_for(kind: str, slug: str = "") -> Contract:
    """The contract of one template. Raises LookupError naming the kinds that exist."""
    contract = CONTRACTS.get(f"{kind}/{slug}") or CONTRACTS.get(kind)
    if contract is None:
        known = ", ".join(sorted(CONTRACTS))
        raise LookupError(f"there is no contract for {kind}/{slug}: {known}")
    return contract
