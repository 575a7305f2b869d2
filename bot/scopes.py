"""What a token for /api/v1 may be allowed to do."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "rules:read": "read and try welcome rules and auto-tagging rules",
        "rules:write": "make, change and remove them",
        "welcomes:read": "read every welcome with its words",
        "events:read": "read events with their outcomes",
        "events:body": "read what WeCom sent, which holds customers' words",
        "events:write": "have events handled again",
        "happenings:write": "say that something happened to a customer, for journeys",
        "media:read": "list the media library and who uses its files",
        "media:write": "add files to it and remove them",
        "orders:read": "read orders",
        "orders:write": "send orders, and say whose they are",
        "customers:read": "read customers with their follows, tags, groups, fields and orders in numbers",
        "fields:read": "read customers' own fields and birthdays",
        "fields:write": "define fields and write their values",
        "directory:read": "read staff with their leaves, channels and tags",
        "leaves:write": "write down when staff are on leave, and who stands in",
        "tags:write": "make, change and delete the company's tags",
        "privacy:read": "read how much customers want to hear and what reached them",
        "privacy:export": "read everything that is kept about a customer",
        "erasure:write": "erase customers for good",
        "privacy:write": "write down how much customers want to hear",
        "markings:read": "read markings",
        "markings:write": "mark customers in bulk",
        "links:read": "read tracked links and who followed them",
        "links:write": "make, change and retire them",
        "openings:write": "say that a mini-program was opened by a tracked link",
        "forms:read": "read forms and how often they were answered",
        "forms:write": "make, change, close and open them",
        "forms:answers": "read what customers have answered",
        "campaigns:read": "read and preview campaigns",
        "campaigns:write": "make, change and remove campaigns",
        "campaigns:approve": "approve and reject campaigns that another token has submitted",
        "sending:write": "start, pause and cancel campaigns, and decide about calls whose outcome is unknown",
        "journeys:read": "read and simulate journeys, and who is on them",
        "journeys:write": "make, change, start and stop journeys, put customers on them and take them off",
        "sync:read": "read how far syncs are and what they changed",
        "sync:write": "have WeCom read whole",
        "rosters:read": "list rosters, without who is on them",
        "rosters:write": "make rosters of files, and remove them",
        "segments:read": "read saved segments",
        "segments:write": "make, change and remove segments",
        "group-welcomes:read": "read group welcomes and how they stand in WeCom",
        "group-welcomes:write": "make, change and retire group welcomes in WeCom's stock",
        "tasks:read": "read what journeys ask of staff, with the words for customers",
        "tasks:write": "answer tasks for staff",
        "webhooks:read": "read what journeys tell other programs, and what came of it",
        "webhooks:write": "have a call that was given up tried once more",
        "health:read": "read what the callbacks have shown",
    }
)
