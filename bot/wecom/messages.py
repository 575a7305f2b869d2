"""App messages to staff (WeCom doc 90236)."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence

from wechatpy.work.client.api import WeChatMessage

from bot.wecom.family import Family, Json, given

Receivers = str | Sequence[str] | Sequence[int]


class Messages(Family, WeChatMessage):
    """`/message/`: `client.message`. Its `send_text`, `send_text_card` … all go through `send`."""

    def send(
        self,
        agent_id: int,
        user_ids: Receivers,
        party_ids: Receivers = "",
        tag_ids: Receivers = "",
        msg: Mapping[str, object] | None = None,
        duplicate_check_seconds: int | None = None,
    ) -> Awaitable[Json]:
        """Send `msg` (`msgtype` and the object of that name): `invaliduser`, `msgid`, `response_code` for cards.

        Up to 1,000 members, or "@all". With `duplicate_check_seconds` (at most 14,400) WeCom delivers the same words to
        the same people once in that time, and the client may repeat the call when no answer came; without it a missing
        answer raises UnknownOutcomeError. Raises GoneError when no receiver can be reached (81013); `invaliduser` names
        single ones.
        """
        data = {
            "touser": _joined(user_ids),
            "toparty": _joined(party_ids),
            "totag": _joined(tag_ids),
            "agentid": agent_id,
            **(msg or {}),
        }
        if duplicate_check_seconds is not None:
            data |= {"enable_duplicate_check": 1, "duplicate_check_interval": duplicate_check_seconds}
        return self._post("message/send", data=data)

    def update_template_card(
        self,
        agent_id: int,
        response_code: str,
        *,
        button: Json | None = None,
        template_card: Json | None = None,
        userids: Sequence[str] | None = None,
        partyids: Sequence[int] | None = None,
        tagids: Sequence[int] | None = None,
        atall: bool | None = None,
    ) -> Awaitable[Json]:
        """Change a sent card: its button's words or all of it. A `response_code` works once, within 72 hours."""
        return self._post(
            "message/update_template_card",
            data=given(
                agentid=agent_id,
                response_code=response_code,
                button=button,
                template_card=template_card,
                userids=userids,
                partyids=partyids,
                tagids=tagids,
                atall=None if atall is None else int(atall),
            ),
        )

    def recall(self, msgid: str) -> Awaitable[Json]:
        """Take back a message of this app within 24 hours."""
        return self._post("message/recall", data={"msgid": msgid})


def _joined(receivers: Receivers) -> str:
    return receivers if isinstance(receivers, str) else "|".join(str(receiver) for receiver in receivers)
