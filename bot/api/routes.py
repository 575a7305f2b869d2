"""Every route of `/api/v1`, with the scope that a token needs for it on its line."""

# ruff: noqa: E501 -- one route, one line: the table is read and searched by line
from __future__ import annotations

from bot.api import (
    channels,
    customers,
    events,
    fields,
    health,
    markings,
    media,
    orders,
    privacy,
    staff,
    syncs,
    tag_rules,
    tags,
    welcome_rules,
    welcomes,
)
from bot.api.service import Route

PREFIX = "/api/v1"
#: Numbers beyond any row's would overflow in the database.
ID = "{id:[0-9]{1,18}}"
#: WeCom's ids of tags and of their groups.
TAG_ID = "{tag_id:[A-Za-z0-9_-]{1,64}}"
GROUP_ID = "{group_id:[A-Za-z0-9_-]{1,64}}"

# fmt: off
ROUTES: tuple[Route, ...] = (
    Route("GET", "/welcome-rules", "rules:read", welcome_rules.list_rules, "All welcome rules."),
    Route("POST", "/welcome-rules", "rules:write", welcome_rules.create_rule, "Make a welcome rule."),
    Route("POST", "/welcome-rules/try", "rules:read", welcome_rules.try_rules, "Which rule a made-up add would match, what would be said, and why not the others."),
    Route("GET", f"/welcome-rules/{ID}", "rules:read", welcome_rules.get_rule, "One welcome rule."),
    Route("PUT", f"/welcome-rules/{ID}", "rules:write", welcome_rules.replace_rule, "Put a rule in the place of this one."),
    Route("PATCH", f"/welcome-rules/{ID}", "rules:write", welcome_rules.change_rule, "Change some fields (JSON merge patch)."),
    Route("DELETE", f"/welcome-rules/{ID}", "rules:write", welcome_rules.delete_rule, "Remove a rule."),
    Route("GET", "/tag-rules", "rules:read", tag_rules.list_rules, "All auto-tagging rules."),
    Route("POST", "/tag-rules", "rules:write", tag_rules.create_rule, "Make an auto-tagging rule."),
    Route("POST", "/tag-rules/try", "rules:read", tag_rules.try_rules, "Which tags a made-up occasion would change, and why."),
    Route("POST", "/tag-rules/apply", "markings:write", markings.apply_rules, "Apply rules to those who came before them, as a marking; or only count (`dry_run`)."),
    Route("GET", f"/tag-rules/{ID}", "rules:read", tag_rules.get_rule, "One auto-tagging rule."),
    Route("PUT", f"/tag-rules/{ID}", "rules:write", tag_rules.replace_rule, "Put a rule in the place of this one."),
    Route("PATCH", f"/tag-rules/{ID}", "rules:write", tag_rules.change_rule, "Change some fields (JSON merge patch)."),
    Route("DELETE", f"/tag-rules/{ID}", "rules:write", tag_rules.delete_rule, "Remove a rule."),
    Route("GET", "/welcomes", "welcomes:read", welcomes.list_welcomes, "Every welcome: sent, missed or left out, and why."),
    Route("GET", "/events", "events:read", events.list_events, "Events with their tasks and outcomes, without what WeCom sent."),
    Route("POST", "/events/replay", "events:write", events.replay_events, "Have events handled again."),
    Route("GET", f"/events/{ID}", "events:read", events.get_event, "One event with its tasks and outcomes."),
    Route("GET", f"/events/{ID}/body", "events:body", events.get_body, "What WeCom sent."),
    Route("GET", "/media", "media:read", media.list_files, "The media library."),
    Route("POST", "/media", "media:write", media.add_file, "Add a file to the media library."),
    Route("GET", "/orders", "orders:read", orders.list_orders, "Orders, and which wait for their customer."),
    Route("POST", "/orders", "orders:write", orders.save_orders, "Keep one order or several, each with its newest state."),
    Route("GET", f"/orders/{ID}", "orders:read", orders.get_order, "One order."),
    Route("POST", f"/orders/{ID}/claim", "orders:write", orders.claim_order, "Say whose an order is."),
    Route("DELETE", f"/orders/{ID}/claim", "orders:write", orders.unclaim_order, "Take that back: what the shop told decides again."),
    Route("GET", "/fields", "fields:read", fields.list_fields, "The fields that the company has defined."),
    Route("POST", "/fields", "fields:write", fields.define_field, "Define a field, or give it another title."),
    Route("DELETE", "/fields/{name}", "fields:write", fields.delete_field, "Remove a field with all its values."),
    Route("GET", "/channels", "directory:read", channels.list_channels, "Channels (contact ways)."),
    Route("GET", "/tags", "directory:read", tags.list_tags, "The company's tags."),
    Route("POST", "/tags", "tags:write", tags.add_tags, "Make tags in a group, which is made if there is none of that name."),
    Route("PATCH", f"/tags/{TAG_ID}", "tags:write", tags.change_tag, "Rename or reorder a tag that this app made."),
    Route("DELETE", f"/tags/{TAG_ID}", "tags:write", tags.delete_tag, "Delete a tag that this app made, off every customer."),
    Route("GET", "/tag-groups", "directory:read", tags.list_groups, "The groups of the company's tags."),
    Route("PATCH", f"/tag-groups/{GROUP_ID}", "tags:write", tags.change_group, "Rename or reorder a group that this app made."),
    Route("DELETE", f"/tag-groups/{GROUP_ID}", "tags:write", tags.delete_group, "Delete a group that this app made, with its tags."),
    Route("GET", "/markings", "markings:read", markings.list_markings, "Markings, and how far they are."),
    Route("POST", "/markings", "markings:write", markings.create_marking, "Put tags on and take them off for many, in the background; or only count (`dry_run`)."),
    Route("GET", f"/markings/{ID}", "markings:read", markings.get_marking, "One marking, and why some could not be marked."),
    Route("GET", f"/markings/{ID}/failures", "markings:read", markings.list_failures, "Whom it could not mark."),
    Route("POST", f"/markings/{ID}/pause", "markings:write", markings.pause_marking, "Let a marking rest."),
    Route("POST", f"/markings/{ID}/resume", "markings:write", markings.resume_marking, "Let it go on."),
    Route("POST", f"/markings/{ID}/cancel", "markings:write", markings.cancel_marking, "End it; what is marked stays."),
    Route("GET", "/syncs", "sync:read", syncs.list_syncs, "Complete readings of WeCom, newest first."),
    Route("POST", "/syncs", "sync:write", syncs.ask_for_sync, "Have WeCom read whole, now; or say which sync runs already."),
    Route("GET", f"/syncs/{ID}", "sync:read", syncs.get_sync, "One sync: how far it is, what it changed, what it could not use."),
    Route("GET", "/staff", "directory:read", staff.list_staff, "Members whom the app may see."),
    Route("GET", "/customers", "customers:read", customers.list_customers, "Customers with their follows and tags."),
    Route("GET", "/customers/{external_userid}", "customers:read", customers.get_customer, "One customer with follows, tags, groups, fields and orders in numbers."),
    Route("GET", "/customers/{external_userid}/fields", "fields:read", fields.get_values, "A customer's fields, the birthday among them."),
    Route("PUT", "/customers/{external_userid}/fields", "fields:write", fields.replace_values, "Put these values in the place of all."),
    Route("PATCH", "/customers/{external_userid}/fields", "fields:write", fields.change_values, "Change some of them; null removes one."),
    Route("GET", "/customers/{external_userid}/export", "privacy:export", privacy.export_customer, "Everything that is kept about a customer."),
    Route("DELETE", "/customers/{external_userid}", "erasure:write", privacy.erase_customer, "Erase a customer; the sync does not bring the data back."),
    Route("GET", "/customers/{external_userid}/preference", "privacy:read", privacy.get_preference, "How much a customer wants to hear."),
    Route("PUT", "/customers/{external_userid}/preference", "privacy:write", privacy.replace_preference, "Write down what a customer wants."),
    Route("PATCH", "/customers/{external_userid}/preference", "privacy:write", privacy.change_preference, "Change some fields of it (JSON merge patch)."),
    Route("DELETE", "/customers/{external_userid}/preference", "privacy:write", privacy.delete_preference, "The customer may be written to again without limits."),
    Route("GET", "/customers/{external_userid}/touches", "privacy:read", privacy.list_touches, "What reached a customer, and why."),
    Route("GET", "/health", "health:read", health.read_health, "What the callbacks have shown, and what waits."),
)
# fmt: on
