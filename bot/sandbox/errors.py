"""WeCom's error codes and the English words it sends with them."""

from __future__ import annotations

from bot.errors import SiyuError


class ApiError(Exception):
    """An answer of the API with an errcode other than 0."""

    def __init__(self, errcode: int, text: str | None = None) -> None:
        super().__init__(errcode, text)
        self.errcode = errcode
        self.text = TEXTS.get(errcode, "invalid request") if text is None else text


class WorldError(SiyuError):
    """What a person wanted to do in the sample company is not possible there."""


class NotFoundError(WorldError):
    """The sample company holds no such thing."""


#: Short texts as seen in WeCom's documentation and answers; code on the number, never on the text.
TEXTS: dict[int, str] = {
    -1: "system error",
    40001: "invalid credential",
    40003: "invalid userid",
    40004: "invalid media type",
    40005: "invalid type param",
    40006: "invalid media size",
    40007: "invalid media_id",
    40008: "invalid message type",
    40009: "invalid image size",
    40013: "invalid corpid",
    40014: "invalid access_token",
    40029: "invalid code",
    40031: "invalid userid list",
    40032: "invalid userid list size",
    40035: "invalid parameter",
    40037: "invalid template_id",
    40050: "invalid group id",
    40056: "invalid agentid",
    40058: "invalid Request Parameter",
    40063: "some parameters are empty",
    40066: "invalid party list",
    40068: "invalid tagid",
    40071: "UserTag Name Already Exist",
    40072: "invalid tag name length",
    40096: "invalid external userid",
    40097: "user not resigned from corp",
    40100: "customer is in transfer",
    40126: "corp tag count out of limit",
    40128: "customer transferred too often",
    40130: "handover user and takeover user are the same",
    40131: "handover user is not follower of the customer",
    40144: "customer tag count out of limit",
    40206: "request body too large",
    41001: "access_token missing",
    41002: "corpid missing",
    41004: "corpsecret missing",
    41006: "media_id missing",
    41011: "missing agentid",
    41017: "missing tagid",
    41018: "missing tagname",
    41035: "missing external userid",
    41037: "missing contact way type",
    41038: "missing contact way scene",
    41039: "invalid contact way type",
    41040: "invalid contact way scene",
    41041: "contact way user count out of limit",
    41042: "invalid contact way style",
    41043: "missing config_id",
    41044: "invalid config_id",
    41045: "contact way count out of limit",
    41046: "missing group msg id",
    41047: "invalid group msg id",
    41048: "no customer to send",
    41049: "missing welcome_code",
    41050: "invalid welcome code",
    41051: "externaluser has started chatting",
    41054: "user not activated",
    41055: "group welcome template count out of limit",
    41058: "group welcome template is not made by this app",
    41059: "missing moment_id",
    41060: "invalid moment_id",
    41061: "user is not the publisher of the moment",
    41062: "user has not published the moment",
    41063: "group message is being distributed",
    41064: "attachments count out of limit",
    41065: "invalid attachment type",
    41072: "invalid scene",
    41078: "too many moment jobs",
    41089: "moment text and attachments are both empty",
    41091: "join way chat count out of limit",
    41093: "group message canceled",
    41094: "group message remind count out of limit",
    41096: "welcome msg is being distributed",
    41210: "moment count out of limit",
    42001: "access_token expired",
    43012: "callback url not configured",
    44001: "empty media data",
    44004: "text content empty",
    45001: "media size out of limit",
    45009: "api freq out of limit",
    45033: "api concurrent out of limit",
    48002: "api forbidden",
    49008: "group dismissed",
    50001: "redirect_uri unauthorized",
    50100: "invalid cursor",
    60003: "department not found",
    60011: "no privilege to access/modify contact/party/agent",
    60020: "not allow to access from your ip",
    60111: "userid not found",
    60123: "invalid party id",
    60140: "invalid response_code",
    81011: "no privilege to edit tag",
    81013: "user & party & tag all invalid",
    81017: "too many users",
    82001: "touser, toparty and totag are all empty",
    82002: "party list too long",
    82003: "tag list too long",
    84061: "not external contact",
    84074: "no external contact permission",
    91040: "invalid ticket type",
    90500: "the owner of this chat is not resigned",
    90501: "chat is not external group chat",
    90504: "the owner of this chat is not changed",
    90507: "the chat is being inherited",
    301002: "not allow operate another agent with this accesstoken",
    600018: "invalid start time",
}
