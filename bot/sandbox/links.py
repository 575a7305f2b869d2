"""Customer-acquisition links (获客链接) of the sample company, and how many customers may be added by them."""

from __future__ import annotations

from collections.abc import Iterator

from bot.sandbox.errors import NotFoundError
from bot.sandbox.journal import Journal
from bot.sandbox.population import token_of
from bot.sandbox.records import AcquisitionLink, LinkCustomer, LinkQuota

QUOTA, QUOTA_DAYS = 500, 180


class Links:
    """Links by link_id, and how many customers may still be added by them."""

    def __init__(self, journal: Journal, reference: int, seed: str) -> None:
        self._journal, self._seed = journal, seed
        self._all: dict[str, AcquisitionLink] = dict(journal.load("link", AcquisitionLink))
        self.quota = LinkQuota(QUOTA, QUOTA, reference + QUOTA_DAYS * 86_400)
        for _, quota in journal.load("link_quota", LinkQuota):
            self.quota = quota

    def __iter__(self) -> Iterator[AcquisitionLink]:
        return iter([link for link in self._all.values() if not link.deleted])

    def find(self, link_id: str) -> AcquisitionLink | None:
        """A link that was not deleted."""
        link = self._all.get(link_id)
        return None if link is None or link.deleted else link

    def get(self, link_id: str) -> AcquisitionLink:
        """The same. Raises NotFoundError."""
        link = self.find(link_id)
        if link is None:
            raise NotFoundError(f"There is no link {link_id!r}.", "GET /sandbox/links lists them.")
        return link

    def new_id(self) -> str:
        """A link_id that nobody had."""
        return f"ca{token_of('link', self._seed, len(self._all) + 1)[:16]}"

    def put(self, link: AcquisitionLink) -> None:
        """Keep what has changed."""
        self._all[link.link_id] = link
        self._journal.put("link", link.link_id, link)

    def put_quota(self, quota: LinkQuota) -> None:
        """The same for the quota."""
        self.quota = quota
        self._journal.put("link_quota", "quota", quota)

    def with_customer(self, userid: str, external_userid: str) -> tuple[AcquisitionLink, LinkCustomer] | None:
        """The link by which somebody came to a member."""
        for link in self:
            for customer in link.customers:
                if (customer.userid, customer.external_userid) == (userid, external_userid):
                    return link, customer
        return None
