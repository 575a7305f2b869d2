"""Files of the media library: which ones a message names, through which of WeCom's uploads they go, who uses them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from data.rules.messages import MediaType, MessageContent, media_needed
from data.rules.moments import MomentContent
from data.rules.problems import parse

#: The ids of these are not interchangeable: the second's are for Moments.
UploadEndpoint = Literal["upload", "upload_attachment/1"]


class Upload(NamedTuple):
    """A file that has to be uploaded as `kind` before something can be sent."""

    media: str
    kind: MediaType
    endpoint: UploadEndpoint


class MediaUse(NamedTuple):
    """Who uses a file."""

    kind: Literal["welcome_rule", "group_welcome", "script", "campaign", "journey", "channel", "knowledge", "kf_rule"]
    id: int
    name: str


def uploads_of(content: MessageContent | MomentContent) -> tuple[Upload, ...]:
    """What has to be uploaded before `content` can be sent, once, in order of use."""
    if isinstance(content, MomentContent):
        return tuple(dict.fromkeys(Upload(key, kind, "upload_attachment/1") for _, key, kind in content.files))
    return tuple(Upload(key, kind, "upload") for key, kind in media_needed(content))


def uploads_of_wave(kind: str, content: Mapping[str, Any]) -> tuple[Upload, ...]:
    """The same for what a wave of that kind says, as it is kept. Raises InvalidRuleError."""
    if kind == "moments":
        return uploads_of(parse(MomentContent, content))
    return uploads_of(parse(MessageContent, content))
