"""Every route of the console, with who may use it (and those above) on its line."""

from __future__ import annotations

from bot.console import (
    accounts,
    audit,
    calls,
    checks,
    events,
    home,
    jobs,
    media,
    messages,
    own,
    segments,
    syncs,
    tokens,
)
from bot.console.frame import Route

#: Numbers beyond any row's would overflow in the database.
ID = "{id:[0-9]{1,18}}"

# fmt: off
ROUTES: tuple[Route, ...] = (
    Route("GET", "/console", "staff", home.show),
    Route("GET", "/console/numbers.csv", "staff", home.export),
    Route("GET", "/console/me", "staff", own.show),
    Route("POST", "/console/me/password", "staff", own.change_password),
    Route("POST", "/console/me/sessions/end", "staff", own.end_session),
    Route("POST", "/console/messages/preview", "manager", messages.preview),
    Route("GET", "/console/media/{sha256}/file", "manager", media.show_file),
    Route("POST", "/console/segments/fields", "staff", segments.show_fields),
    Route("POST", "/console/segments/count", "staff", segments.show_count),
    Route("GET", "/console/accounts", "admin", accounts.show_list),
    Route("POST", "/console/accounts/invite", "admin", accounts.invite),
    Route("GET", f"/console/accounts/{ID}", "admin", accounts.show_one),
    Route("POST", f"/console/accounts/{ID}", "admin", accounts.change),
    Route("POST", f"/console/accounts/{ID}/link", "admin", accounts.renew),
    Route("POST", f"/console/accounts/{ID}/sign-out", "admin", accounts.end_sessions),
    Route("GET", "/console/events", "admin", events.show_list),
    Route("POST", "/console/events/replay", "admin", events.replay_dead),
    Route("GET", f"/console/events/{ID}", "admin", events.show_one),
    Route("POST", f"/console/events/{ID}/replay", "admin", events.replay_one),
    Route("POST", f"/console/events/{ID}/body", "admin", events.show_body),
    Route("GET", "/console/syncs", "admin", syncs.show_list),
    Route("POST", "/console/syncs", "admin", syncs.ask),
    Route("GET", f"/console/syncs/{ID}", "admin", syncs.show_one),
    Route("GET", "/console/jobs", "admin", jobs.show_list),
    Route("POST", "/console/jobs/{name:[a-z_]{1,40}}/run", "admin", jobs.run),
    Route("GET", "/console/calls", "admin", calls.show),
    Route("GET", "/console/check", "admin", checks.show),
    Route("GET", "/console/check/findings", "admin", checks.show_findings),
    Route("GET", "/console/tokens", "admin", tokens.show_list),
    Route("POST", "/console/tokens", "admin", tokens.make),
    Route("POST", "/console/tokens/revoke", "admin", tokens.revoke),
    Route("GET", "/console/audit", "admin", audit.show_list),
)
