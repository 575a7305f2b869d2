"""Accounts and the links by which they are made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, func, or_, select
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.errors import ConflictError, NotFoundError
from data.models import Account, AccountSession, Invitation, Role, Staff
from data.queries.access import digest_of
from data.queries.audit import APP, Actor
from data.queries.staff import list_within
from data.rules.accounts import INVITATION_LIFE, wait_after

_ACTIVE = 1
_MEMBER = select(col(Staff.userid)).where(
    col(Staff.userid) == bindparam("userid"), col(Staff.gone_at).is_(None), col(Staff.status) == _ACTIVE
)


def is_member(session: Session, userid: str) -> bool:
    """Whether somebody works for the company, as far as we know."""
    return session.execute(_MEMBER, {"userid": userid}).first() is not None


def is_open(session: Session, account: Account) -> bool:
    """Whether an account may be used: it is not disabled, and a member's belongs to one who is still there."""
    return account.disabled_at is None and (account.userid is None or is_member(session, account.userid))


def find_account(session: Session, account_id: int) -> Account | None:
    return session.get(Account, account_id)


def get_account(session: Session, account_id: int) -> Account:
    """Raises NotFoundError."""
    found = session.get(Account, account_id)
    if found is None:
        raise NotFoundError(
            Phrase("没有编号为 %(account_id)s 的账号。", account_id=account_id), Phrase("请在账号列表里核对。")
        )
    return found


def find_by_login(session: Session, login: str) -> Account | None:
    """The account that is signed in to by this name, in the form of `login_of`."""
    return session.execute(select(Account).where(col(Account.login) == login)).scalar_one_or_none()


def list_visible(session: Session, account: Account) -> frozenset[str] | None:
    """The members whose customers an account sees: their own, those of a manager's departments; None: everybody's."""
    if account.role == Role.ADMIN:
        return None
    own = {account.userid} if account.userid else set()
    return list_within(session, own, account.department_ids if account.role == Role.MANAGER else ())


def list_accounts(session: Session) -> list[Account]:
    """All of them, by id."""
    return list(session.execute(select(Account).order_by(col(Account.id))).scalars())


def has_admin(session: Session) -> bool:
    """Whether somebody may do everything."""
    return any(is_open(session, each) for each in session.execute(_ADMINS).scalars())


_ADMINS = select(Account).where(col(Account.role) == Role.ADMIN, col(Account.disabled_at).is_(None))


def account_of_member(session: Session, userid: str, now: datetime) -> Account | None:
    """The account of a member, made where there was none; None: they are no member, or it is disabled."""
    account = session.execute(select(Account).where(col(Account.userid) == userid)).scalar_one_or_none()
    if account is not None:
        return account if is_open(session, account) else None
    if not is_member(session, userid):
        return None
    member = session.get(Staff, userid)
    account = Account(userid=userid, name=member.name if member else "", role=Role.STAFF, made_at=now)
    session.add(account)
    session.flush()
    return account


def change_account(
    session: Session,
    account_id: int,
    *,
    role: Role,
    name: str,
    userid: str | None,
    department_ids: Sequence[int],
    disabled: bool,
    now: datetime,
) -> Account:
    """Change what an account may do. Raises NotFoundError, ConflictError: nobody would be left who may do everything,
    or the member has an account already."""
    # Of two admins who take each other's role away at once, the second has to see what the first did.
    session.execute(_ADMINS.with_for_update())
    account = get_account(session, account_id)
    if userid is not None and userid != account.userid:
        if not is_member(session, userid):
            raise ConflictError(
                Phrase("没有在职的成员 %(userid)s。", userid=userid), Phrase("请核对 userid，或先同步通讯录。")
            )
        other = session.execute(select(col(Account.id)).where(col(Account.userid) == userid)).scalar()
        if other is not None:
            raise ConflictError(
                Phrase("成员 %(userid)s 已有账号（编号 %(other)s）。", userid=userid, other=other),
                Phrase("请先停用那个账号，或直接修改它的角色。"),
            )
    account.role, account.name, account.department_ids = role, name, list(department_ids)
    account.userid = userid
    account.disabled_at = (account.disabled_at or now) if disabled else None
    session.flush()
    if not has_admin(session):
        raise ConflictError(Phrase("至少要保留一个可用的管理员。"), Phrase("请先让另一个账号成为管理员。"))
    if account.disabled_at is not None:
        session.execute(delete(AccountSession).where(col(AccountSession.account_id) == account_id))
    return account


def find_language(session: Session, userid: str) -> str:
    """The language that a member has chosen; empty: none. Settings name members in upper or lower case."""
    query = select(col(Account.language)).where(func.lower(col(Account.userid)) == userid.lower())
    chosen = session.execute(query).scalars().first()
    return chosen if chosen in ("zh", "en") else ""


def manages(session: Session, userid: str) -> bool:
    """Whether a member's account lets them manage campaigns in the console."""
    found = session.execute(select(Account).where(col(Account.userid) == userid)).scalar_one_or_none()
    return found is not None and found.role in (Role.MANAGER, Role.ADMIN) and is_open(session, found)


def is_closed(session: Session, userid: str) -> bool:
    """Whether a member has an account, and it was disabled."""
    found = select(col(Account.id)).where(col(Account.userid) == userid, col(Account.disabled_at).is_not(None))
    return session.execute(found).first() is not None


def find_actor(session: Session, userid: str) -> Actor:
    """A member who does something in the app, for the audit log: by their account's name, without one by their own."""
    found = session.execute(select(Account).where(col(Account.userid) == userid)).scalar_one_or_none()
    if found is not None:
        return Actor(found.id, found.name or found.login or userid, APP)
    member = session.get(Staff, userid)
    return Actor(None, f"{member.name} ({userid})" if member is not None and member.name else userid, APP)


def map_languages(session: Session) -> dict[str, str]:
    """The same of all members who have chosen one."""
    query = select(col(Account.userid), col(Account.language)).where(
        col(Account.userid).is_not(None), col(Account.language).in_(["zh", "en"])
    )
    return dict(session.execute(query).all())


def list_managers(session: Session) -> list[Account]:
    """The members who manage departments, as far as their accounts may be used."""
    query = select(Account).where(col(Account.role) == Role.MANAGER, col(Account.userid).is_not(None))
    return [each for each in session.execute(query.order_by(col(Account.id))).scalars() if is_open(session, each)]


def list_in_charge(session: Session, managers: Iterable[str], of: Collection[str] = ()) -> list[str]:
    """Who is told of what a person has to see to: the `managers` of the settings; where there are none, the admins who
    are members; without these, whom the members `of` report to."""
    if named := sorted(set(managers)):
        return named
    admins = session.execute(_ADMINS.where(col(Account.userid).is_not(None))).scalars()
    if found := sorted(each.userid for each in admins if each.userid and is_open(session, each)):
        return found
    leaders = select(col(Staff.leader_userids)).where(col(Staff.userid).in_(sorted(of)))
    heads = {each for some in session.execute(leaders).scalars() for each in some}
    return sorted(each for each in heads if is_member(session, each))


def set_preferences(session: Session, account_id: int, *, language: str, theme: str) -> None:
    """How somebody likes their pages."""
    account = get_account(session, account_id)
    account.language, account.theme = language, theme


def set_password(session: Session, account_id: int, password_hash: str) -> None:
    """From now on this is the password; wrong ones are forgotten."""
    account = get_account(session, account_id)
    account.password_hash, account.failures, account.blocked_until = password_hash, 0, None


def note_failure(session: Session, account_id: int, now: datetime) -> None:
    """Somebody gave a wrong password."""
    account = get_account(session, account_id)
    account.failures += 1
    waits = wait_after(account.failures)
    account.blocked_until = now + waits if waits else None


def note_success(session: Session, account_id: int) -> None:
    """Somebody gave the right one."""
    account = get_account(session, account_id)
    account.failures, account.blocked_until = 0, None


# -- links


def add_invitation(
    session: Session,
    token: str,
    now: datetime,
    *,
    role: Role = Role.ADMIN,
    name: str = "",
    department_ids: Sequence[int] = (),
    account_id: int | None = None,
    is_first: bool = False,
    made_by: str = "",
) -> None:
    """Keep a link that works once; those whose time is over go, and an account's older ones."""
    old = col(Invitation.expires_at) <= now
    if account_id is not None:
        old = or_(old, col(Invitation.account_id) == account_id)
    session.execute(delete(Invitation).where(old))
    session.add(
        Invitation(
            digest=digest_of(token), role=role, name=name, department_ids=list(department_ids), account_id=account_id,
            is_first=is_first, made_by=made_by, made_at=now, expires_at=now + INVITATION_LIFE,
        )
    )  # fmt: skip


def find_invitation(session: Session, token: str, now: datetime) -> Invitation | None:
    """What a link lets its holder do; None: nothing any more."""
    found = session.get(Invitation, digest_of(token))
    if found is None or found.expires_at <= now or (found.is_first and has_admin(session)):
        return None
    return found


def accept_invitation(session: Session, token: str, login: str, password_hash: str, now: datetime) -> Account:
    """Make the account that a link is for, or give the one that exists a new password; the link is used up.

    Raises NotFoundError (the link is none any more), ConflictError (the name is taken).
    """
    found = find_invitation(session, token, now)
    if found is None:
        raise NotFoundError(Phrase("链接已失效。"), Phrase("请向管理员要一个新的链接。"))
    if found.account_id is not None:
        account = get_account(session, found.account_id)
        login = account.login or login
    else:
        account = Account(
            name=found.name or login, role=found.role, department_ids=found.department_ids, made_at=now
        )  # fmt: skip
    other = find_by_login(session, login)
    if other is not None and other is not account:
        raise ConflictError(Phrase("这个登录名已有人使用。"), Phrase("请换一个。"))
    account.login, account.password_hash, account.failures, account.blocked_until = login, password_hash, 0, None
    session.add(account)
    session.flush()
    session.execute(delete(AccountSession).where(col(AccountSession.account_id) == account.id))
    is_used = col(Invitation.digest) == found.digest
    session.execute(delete(Invitation).where(or_(is_used, col(Invitation.is_first)) if found.is_first else is_used))
    return account
