"""WeCom's error codes: what each means and what an operator does about it (WeCom doc 90313, 全局错误码).

Only codes that this program can meet stand here; any other becomes a plain WeComError with a link to WeCom's own page.
"""

# ruff: noqa: E501 -- one code, one line: the table is read and searched by line
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final


class Kind(Enum):
    """What the caller does next."""

    OTHER = "other"
    RATE_LIMITED = "rate_limited"
    BUSY = "busy"
    NOT_READY = "not_ready"
    CREDENTIALS = "credentials"
    NOT_PERMITTED = "not_permitted"
    GONE = "gone"
    NOT_A_FOLLOWER = "not_a_follower"
    INVALID_MEDIA = "invalid_media"
    REFUSED_FILE = "refused_file"
    QUOTA = "quota"
    ALREADY_DONE = "already_done"
    INVALID_REQUEST = "invalid_request"
    WELCOME_BUSY = "welcome_busy"
    WELCOME_DONE = "welcome_done"
    WELCOME_LATE = "welcome_late"


@dataclass(frozen=True, slots=True)
class Code:
    """One error code: `meaning` completes "WeCom refused …:", `remedy` is a sentence of its own."""

    kind: Kind
    meaning: str
    remedy: str
    after_seconds: float | None = None

    @property
    def retryable(self) -> bool:
        """Whether the same call can succeed later without anybody changing anything."""
        return self.kind in {Kind.RATE_LIMITED, Kind.BUSY, Kind.NOT_READY, Kind.WELCOME_BUSY}


#: The access token is not accepted (any more): fetch another one and repeat the call once.
TOKEN_REFUSED: Final = frozenset({40001, 40014, 42001})
#: Concurrent use was refused before anything was done: call less at a time, back off, repeat.
CONFLICT: Final = frozenset({6000, 45033, 45035})
RATE_LIMIT: Final = 45009
SYSTEM_BUSY: Final = -1

_BUG: Final = "This is a fault in the program or in a template: report it with the log line."
_SCOPE: Final = "Add the member to the app's visible range (应用管理 → the app → 可见范围) in the admin console."
_CONTACT_API: Final = "Tick the app under 客户联系 → 客户 → API → 可调用接口的应用 in the admin console."
_CREDENTIALS: Final = (
    "Copy corpid from 我的企业 and the Secret from the app's page of the admin console into the configuration."
)
_RETRY: Final = "Nothing needs doing: it is tried again."
_REUPLOAD: Final = "Upload the file again: a media_id lives three days and belongs to one kind of upload."
_RESYNC: Final = "Nothing needs doing: the next sync brings our records up to date."

# fmt: off
CODES: Final[Mapping[int, Code]] = MappingProxyType(
    {
        # the token and the transport
        -1: Code(Kind.BUSY, "the system is busy", _RETRY, 1),
        6000: Code(Kind.BUSY, "the data was changed by someone else at the same moment", _RETRY, 1),
        40001: Code(Kind.CREDENTIALS, "the secret does not match or the app is disabled", _CREDENTIALS),
        40013: Code(Kind.CREDENTIALS, "the corpid is wrong", _CREDENTIALS),
        40014: Code(Kind.CREDENTIALS, "the access token is not valid", _CREDENTIALS),
        40091: Code(Kind.CREDENTIALS, "the secret is not valid for this company", _CREDENTIALS),
        41001: Code(Kind.INVALID_REQUEST, "the access token is missing", _BUG),
        41002: Code(Kind.CREDENTIALS, "the corpid is missing", _CREDENTIALS),
        41004: Code(Kind.CREDENTIALS, "the secret is missing", _CREDENTIALS),
        42001: Code(Kind.CREDENTIALS, "the access token has expired", _CREDENTIALS),
        45009: Code(Kind.RATE_LIMITED, "the API was called too often", "Nothing needs doing: calls pause until the limit is over. If it comes daily, lower wecom.calls_per_minute or see what else uses this company's API.", 60),
        45033: Code(Kind.BUSY, "too many calls of this API at the same time", _RETRY, 1),
        45035: Code(Kind.BUSY, "another change to the same customer is under way", _RETRY, 1),
        45036: Code(Kind.NOT_PERMITTED, "WeCom limits the company's access because of abnormal traffic", "Ask WeCom's support; find what else calls the API with this company's secrets."),
        48001: Code(Kind.NOT_PERMITTED, "the company has no right to use this function", "Have an administrator enable the function for the company."),
        48002: Code(Kind.NOT_PERMITTED, "the app may not call this API", _CONTACT_API),
        48005: Code(Kind.NOT_PERMITTED, "WeCom has withdrawn this API", "Update this program."),
        48006: Code(Kind.NOT_PERMITTED, "the permission was withdrawn after long disuse", "Have an administrator grant the API to the app again."),
        48007: Code(Kind.NOT_PERMITTED, "this customer-service account is not managed by the app", "Assign the account to the app under 微信客服 → API in the admin console."),
        48009: Code(Kind.NOT_PERMITTED, "the contacts-sync secret may not read from this address", "Use the app's own Secret instead of the one of 通讯录同步."),
        48010: Code(Kind.OTHER, "the TLS version is too old", "Update the system's OpenSSL."),
        48011: Code(Kind.NOT_PERMITTED, "the member was not active enough for customer data to be read", "Have the member use WeCom; then it works again."),
        50002: Code(Kind.NOT_PERMITTED, "the member is outside the app's visible range", _SCOPE),
        50003: Code(Kind.NOT_PERMITTED, "the app is disabled", "Enable the app in the admin console."),
        50100: Code(Kind.INVALID_REQUEST, "the paging cursor is not valid", "Nothing needs doing: the listing starts again from its first page."),
        60011: Code(Kind.NOT_PERMITTED, "the app has no right to this member, department or tag", _SCOPE),
        60020: Code(Kind.NOT_PERMITTED, "this machine's address is not on the app's list of trusted addresses", "Add the server's public IP under 应用管理 → the app → 企业可信IP; it takes about a minute to work."),
        60021: Code(Kind.NOT_PERMITTED, "the member is outside the app's visible range", _SCOPE),
        60030: Code(Kind.NOT_PERMITTED, "somebody named is outside the app's visible range", _SCOPE),
        60031: Code(Kind.NOT_PERMITTED, "the app is barred from this API", "Ask WeCom's support why the app is barred."),
        92000: Code(Kind.NOT_PERMITTED, "the member is outside the app's visible range", _SCOPE),
        301002: Code(Kind.NOT_PERMITTED, "the agentid belongs to another app than the secret", "Take AgentId and Secret from the same app's page."),
        301007: Code(Kind.NOT_PERMITTED, "the company was dissolved or banned", "Ask WeCom's support."),
        # parameters
        40003: Code(Kind.GONE, "there is no such member", _RESYNC),
        40031: Code(Kind.INVALID_REQUEST, "the list of members is not valid", _BUG),
        40032: Code(Kind.INVALID_REQUEST, "the list of members is too long", _BUG),
        40033: Code(Kind.INVALID_REQUEST, "the request contains characters WeCom does not accept", _BUG),
        40035: Code(Kind.INVALID_REQUEST, "a parameter is not valid", _BUG),
        40058: Code(Kind.INVALID_REQUEST, "a parameter is missing, too long or not valid", _BUG),
        40063: Code(Kind.INVALID_REQUEST, "a required parameter is empty", _BUG),
        40201: Code(Kind.INVALID_REQUEST, "the content was blocked as sensitive", "Change the words and try again."),
        40204: Code(Kind.INVALID_REQUEST, "the content was blocked by WeChat's spam protection", "Change the words and try again."),
        40206: Code(Kind.INVALID_REQUEST, "the request is too large", _BUG),
        60003: Code(Kind.GONE, "there is no such department", _RESYNC),
        60111: Code(Kind.GONE, "there is no such member", _RESYNC),
        60123: Code(Kind.GONE, "there is no such department", _RESYNC),
        60136: Code(Kind.GONE, "there is no such record", _RESYNC),
        60267: Code(Kind.INVALID_REQUEST, "the period is not valid", _BUG),
        60268: Code(Kind.INVALID_REQUEST, "the paging cursor is not valid", "Nothing needs doing: the listing starts again from its first page."),
        600018: Code(Kind.INVALID_REQUEST, "the period is not valid", "Statistics reach back 180 days and span at most 30."),
        81013: Code(Kind.GONE, "none of the receivers can be reached", _SCOPE),
        81017: Code(Kind.INVALID_REQUEST, "the request covers too many people", _BUG),
        82001: Code(Kind.INVALID_REQUEST, "no receiver is named", _BUG),
        82002: Code(Kind.INVALID_REQUEST, "more than 100 departments are named", _BUG),
        82003: Code(Kind.INVALID_REQUEST, "more than 100 tags are named", _BUG),
        # customers
        40096: Code(Kind.GONE, "there is no such customer for this app", _RESYNC),
        41035: Code(Kind.INVALID_REQUEST, "the customer's id is missing", _BUG),
        41056: Code(Kind.INVALID_REQUEST, "the customer's id is of the wrong kind", _BUG),
        84061: Code(Kind.NOT_A_FOLLOWER, "the member does not follow this customer", "Nothing needs doing: the customer was deleted, or has not confirmed yet."),
        84074: Code(Kind.NOT_PERMITTED, "the member may not have customers", "Give the member the feature under 客户联系 → 权限配置 in the admin console."),
        84083: Code(Kind.NOT_A_FOLLOWER, "the member does not serve this customer", _RESYNC),
        84084: Code(Kind.NOT_A_FOLLOWER, "the member does not follow this customer", _RESYNC),
        610004: Code(Kind.GONE, "this is not a customer of the company", _RESYNC),
        610016: Code(Kind.NOT_PERMITTED, "the company is not certified", "Certify the company (企业认证) in the admin console."),
        610023: Code(Kind.QUOTA, "the company has reached its number of customers", "Raise the customer quota (客户联系规模) in the admin console."),
        610024: Code(Kind.NOT_PERMITTED, "the company has not handed in its papers", "Hand in the qualification documents in the admin console."),
        701008: Code(Kind.NOT_PERMITTED, "there is no valid interface licence", "Buy or activate the interface licence for the member."),
        # tags
        40068: Code(Kind.GONE, "there is no such tag or tag group", _RESYNC),
        40071: Code(Kind.ALREADY_DONE, "a tag of this name is already there", "Use the existing tag or another name."),
        40072: Code(Kind.INVALID_REQUEST, "the tag's name is empty or too long", "A tag's name has 1 to 30 characters."),
        40126: Code(Kind.QUOTA, "the company has 10,000 customer tags already", "Delete tags that nobody uses."),
        40144: Code(Kind.QUOTA, "this customer has 3,000 tags of this member already", "Take off tags that nobody uses."),
        41017: Code(Kind.INVALID_REQUEST, "no tag is named", _BUG),
        41018: Code(Kind.INVALID_REQUEST, "the tag's name is missing", _BUG),
        81011: Code(Kind.NOT_PERMITTED, "this tag belongs to another app or to the admin console", "An app can change only tags that it made itself; change this one in the admin console."),
        # contact ways and join ways
        41037: Code(Kind.INVALID_REQUEST, "the contact way has no type", _BUG),
        41038: Code(Kind.INVALID_REQUEST, "the contact way has no scene", _BUG),
        41039: Code(Kind.INVALID_REQUEST, "the contact way's type is not valid", _BUG),
        41040: Code(Kind.INVALID_REQUEST, "the contact way's scene is not valid", _BUG),
        41041: Code(Kind.INVALID_REQUEST, "the contact way names more than 100 members", "Name fewer members or smaller departments."),
        41042: Code(Kind.INVALID_REQUEST, "the contact way's style is not valid", _BUG),
        41043: Code(Kind.INVALID_REQUEST, "the contact way's config_id is missing", _BUG),
        41044: Code(Kind.GONE, "there is no such contact way for this app", "An app sees only the contact ways that it made itself: make a new one."),
        41045: Code(Kind.QUOTA, "the company has 500,000 contact ways and join ways already", "Delete the ones that nobody uses."),
        41054: Code(Kind.NOT_PERMITTED, "a member has not activated WeCom", "Have the member log in to WeCom and pass the real-name check."),
        41057: Code(Kind.NOT_PERMITTED, "no WeChat developer account is bound", "Bind one under 客户联系 → API in the admin console."),
        41095: Code(Kind.QUOTA, "the company has as many customer-acquisition links as it may", "Delete the ones that nobody uses."),
        41098: Code(Kind.NOT_PERMITTED, "the link belongs to another app", "Change it where it was made."),
        41200: Code(Kind.NOT_PERMITTED, "customer-acquisition links are not open to the company's line of business", "Ask WeCom's support, or use channel codes."),
        41201: Code(Kind.GONE, "the chat key is older than 30 minutes", "Nothing needs doing."),
        41091: Code(Kind.INVALID_REQUEST, "a join way names more than five groups", "Name at most five groups."),
        610001: Code(Kind.QUOTA, "the member has 5,000 permanent codes already", "Delete the ones that nobody uses."),
        610003: Code(Kind.INVALID_REQUEST, "the scene is not valid", "Use 1 to 64 letters, digits, hyphens, underscores or dots."),
        # welcomes and group welcomes
        40036: Code(Kind.INVALID_REQUEST, "the template's id has the wrong length", _BUG),
        40037: Code(Kind.GONE, "there is no such group welcome", "It was deleted: make a new one."),
        41049: Code(Kind.INVALID_REQUEST, "the welcome code is missing", _BUG),
        41050: Code(Kind.WELCOME_LATE, "the welcome code is unknown or older than 20 seconds", "The customer can only be greeted by hand now; if it happens often, see why events arrive or are handled late."),
        41051: Code(Kind.WELCOME_DONE, "the customer has already been welcomed or already chats", "Nothing needs doing; if it was not this program, another app or the admin console sends welcomes as well."),
        41053: Code(Kind.NOT_PERMITTED, "the customer has not agreed to have the chat archived", "The customer has to agree first; greet by hand."),
        41055: Code(Kind.QUOTA, "the company has 100 group welcomes already", "Delete the ones that nobody uses."),
        41058: Code(Kind.NOT_PERMITTED, "this group welcome belongs to another app", "Change it where it was made."),
        41096: Code(Kind.WELCOME_BUSY, "another app is sending this welcome right now", "Nothing needs doing: it is tried again. Let only one app send welcomes.", 1),
        # broadcasts and Moments
        41046: Code(Kind.INVALID_REQUEST, "the broadcast's id is missing", _BUG),
        41047: Code(Kind.GONE, "there is no such broadcast", "It was made by another app, or never."),
        41048: Code(Kind.GONE, "none of the customers can receive it", "The customers have left, or have no follower in the app's visible range."),
        41052: Code(Kind.INVALID_REQUEST, "the time of sending is not valid", _BUG),
        41059: Code(Kind.INVALID_REQUEST, "the Moments post's id is missing", _BUG),
        41060: Code(Kind.GONE, "there is no such Moments post", "It was made by another app, or deleted."),
        41061: Code(Kind.INVALID_REQUEST, "the member is not the publisher of this Moments post", _BUG),
        41062: Code(Kind.NOT_READY, "the member has not published this Moments post yet", "Remind the member to publish it.", 600),
        41063: Code(Kind.NOT_READY, "the broadcast is still being handed out", _RETRY, 10),
        41064: Code(Kind.INVALID_REQUEST, "there are too many attachments", "A message has at most nine attachments."),
        41065: Code(Kind.INVALID_REQUEST, "an attachment is of a kind that is not allowed here", "Use image, link, mini-program, video or file."),
        41078: Code(Kind.BUSY, "too many Moments posts are being made at once", _RETRY, 60),
        41079: Code(Kind.NOT_READY, "the Moments post is still being handed out", _RETRY, 10),
        41088: Code(Kind.INVALID_REQUEST, "the attachments are empty", _BUG),
        41089: Code(Kind.INVALID_REQUEST, "the Moments post has neither words nor attachments", "Give it words or an attachment."),
        41093: Code(Kind.ALREADY_DONE, "the broadcast was cancelled", "Nothing needs doing."),
        41094: Code(Kind.QUOTA, "staff were reminded three times in 24 hours already", "Wait a day or remind them in person."),
        41210: Code(Kind.QUOTA, "the company has made 100,000 Moments posts this month", "Wait for the next month."),
        41211: Code(Kind.NOT_PERMITTED, "Moments are not enabled for the company", "Enable 客户朋友圈 in the admin console."),
        # customer groups
        40050: Code(Kind.GONE, "there is no such group", _RESYNC),
        49008: Code(Kind.GONE, "the group was dismissed", _RESYNC),
        90500: Code(Kind.INVALID_REQUEST, "the group's owner has not left the company", "Use the transfer for staff who are still there."),
        90501: Code(Kind.INVALID_REQUEST, "this is not a customer group", _RESYNC),
        90502: Code(Kind.INVALID_REQUEST, "the group's owner has left the company", "Use the transfer for staff who have left."),
        90504: Code(Kind.ALREADY_DONE, "the group belongs to this member already", "Nothing needs doing."),
        90507: Code(Kind.NOT_READY, "the group is being handed over right now", _RETRY, 60),
        90508: Code(Kind.ALREADY_DONE, "the group was handed over already", "Nothing needs doing."),
        90509: Code(Kind.INVALID_REQUEST, "this is not a customer group", _RESYNC),
        # handing customers over
        40097: Code(Kind.INVALID_REQUEST, "the member has not left the company", "Use the transfer for staff who are still there."),
        40098: Code(Kind.NOT_PERMITTED, "the member has not passed the real-name check", "Have the member pass it in WeCom."),
        40099: Code(Kind.QUOTA, "the new member has as many customers as possible", "Choose another member or raise the limit."),
        40100: Code(Kind.ALREADY_DONE, "the customer is being handed over already", "Nothing needs doing: wait for the result."),
        40128: Code(Kind.QUOTA, "the customer was handed over twice in 90 days already", "Wait until the 90 days are over."),
        40129: Code(Kind.ALREADY_DONE, "the customer is being handed over already", "Nothing needs doing: wait for the result."),
        40130: Code(Kind.INVALID_REQUEST, "both members are the same", "Choose another member."),
        40131: Code(Kind.NOT_A_FOLLOWER, "the member does not follow this customer", _RESYNC),
        40143: Code(Kind.NOT_PERMITTED, "the member's account is banned", "The member has to lift the ban in WeCom."),
        40205: Code(Kind.NOT_PERMITTED, "the member has not logged in for a year", "Have the member log in to WeCom."),
        # media, app messages and login
        40004: Code(Kind.REFUSED_FILE, "the file is of a kind WeCom does not take", "Images: JPG or PNG; video: MP4; voice: AMR."),
        40005: Code(Kind.INVALID_REQUEST, "the kind of the file is not valid", _BUG),
        40006: Code(Kind.REFUSED_FILE, "the file is too large or too small", "More than 5 bytes; images and video up to 10 MB, files up to 20 MB."),
        40007: Code(Kind.INVALID_MEDIA, "the media_id has expired or is of the wrong kind", _REUPLOAD),
        40008: Code(Kind.INVALID_REQUEST, "the kind of message is not valid", _BUG),
        40009: Code(Kind.REFUSED_FILE, "the image is too large", "Images have at most 10 MB."),
        40011: Code(Kind.REFUSED_FILE, "the video is too large", "Videos have at most 10 MB."),
        40056: Code(Kind.CREDENTIALS, "the agentid is not valid", "Copy AgentId from the app's page of the admin console."),
        40123: Code(Kind.REFUSED_FILE, "the image is broken", "Use another image file."),
        40145: Code(Kind.INVALID_MEDIA, "the media_id has expired", _REUPLOAD),
        41006: Code(Kind.INVALID_REQUEST, "the media_id is missing", _BUG),
        41011: Code(Kind.CREDENTIALS, "the agentid is missing", "Copy AgentId from the app's page of the admin console."),
        41072: Code(Kind.INVALID_MEDIA, "the attachment was uploaded for another purpose", _REUPLOAD),
        41080: Code(Kind.REFUSED_FILE, "the attachment is too large", "Images and videos have at most 10 MB."),
        41081: Code(Kind.REFUSED_FILE, "the image has too many pixels", "Long side at most 10,800, short side at most 1,080 pixels."),
        41082: Code(Kind.REFUSED_FILE, "the video is too long", "Videos for Moments last at most 30 seconds."),
        44001: Code(Kind.REFUSED_FILE, "the file is empty", "Choose another file."),
        44004: Code(Kind.INVALID_REQUEST, "the message has no words", "Give it words."),
        45001: Code(Kind.REFUSED_FILE, "the file is too large", "Images and video up to 10 MB, files up to 20 MB."),
        45007: Code(Kind.REFUSED_FILE, "the recording is too long", "Recordings last at most 60 seconds."),
        45002: Code(Kind.INVALID_REQUEST, "the message is too long", "Shorten it."),
        40029: Code(Kind.INVALID_REQUEST, "the login code was used or has expired", "Log in again."),
        42003: Code(Kind.INVALID_REQUEST, "the login code has expired", "Log in again."),
        42022: Code(Kind.INVALID_REQUEST, "the login code was used already", "Log in again."),
        42052: Code(Kind.INVALID_REQUEST, "the message is older than 24 hours", "It cannot be recalled any more."),
        50001: Code(Kind.NOT_PERMITTED, "the web address is not the app's trusted domain", "Set the domain, with its port, under 网页授权及JS-SDK of the app's page."),
        60140: Code(Kind.INVALID_REQUEST, "the card's response_code was used or has expired", "A card can be changed once within 72 hours of a click."),
        # WeChat customer service
        60252: Code(Kind.GONE, "there is no such customer-service account", _RESYNC),
        95000: Code(Kind.GONE, "there is no such customer-service account", _RESYNC),
        95001: Code(Kind.QUOTA, "five messages were sent since the customer last wrote", "Wait until the customer writes again."),
        95002: Code(Kind.QUOTA, "the customer last wrote more than 48 hours ago", "Wait until the customer writes again."),
        95004: Code(Kind.GONE, "there is no such customer-service account", _RESYNC),
        95007: Code(Kind.INVALID_REQUEST, "the sync token has expired", "Nothing needs doing: messages are read without it."),
        95013: Code(Kind.ALREADY_DONE, "the conversation has ended", "Nothing needs doing."),
        95014: Code(Kind.NOT_PERMITTED, "the member is not a servicer of this account", "Add the member to the account under 微信客服."),
        95016: Code(Kind.INVALID_REQUEST, "the conversation cannot change to this state", _BUG),
        95018: Code(Kind.INVALID_REQUEST, "the conversation's state does not allow sending", "A servicer has the conversation, or it has ended."),
        95033: Code(Kind.ALREADY_DONE, "a message with this msgid was sent already", "Nothing needs doing."),
    }
)
# fmt: on
