"""Every route of the console, with who may use it (and those above) on its line."""

from __future__ import annotations

from bot.console import accounts, audit, home, media, messages, own
from bot.console.frame import Route

#: Numbers beyond any row's would overflow in the database.
ID = "{id:[0-9]{1,18}}"

# fmt: off
ROUTES: tuple[Route, ...] = (
    Route("GET", "/console", "staff", home.show),
    Route("GET", "/console/me", "staff", own.show),
    Route("POST", "/console/me/password", "staff", own.change_password),
    Route("POST", "/console/me/sessions/end", "staff", own.end_session),
    Route("POST", "/console/messages/preview", "manager", messages.preview),
    Route("GET", "/console/media/{sha256}/file", "manager", media.show_file),
    Route("GET", "/console/accounts", "admin", accounts.show_list),
    Route("POST", "/console/accounts/invite", "admin", accounts.invite),
    Route("GET", f"/console/accounts/{ID}", "admin", accounts.show_one),
    Route("POST", f"/console/accounts/{ID}", "admin", accounts.change),
    Route("POST", f"/console/accounts/{ID}/link", "admin", accounts.renew),
    Route("POST", f"/console/accounts/{ID}/sign-out", "admin", accounts.end_sessions),
    Route("GET", "/console/audit", "admin", audit.show_list),
)
