"""Everything under `/externalcontact/`: wechatpy's class with our families in front."""

from __future__ import annotations

from wechatpy.work.client.api import WeChatExternalContact

from bot.wecom.acquisition import Acquisition
from bot.wecom.contact_ways import ContactWays
from bot.wecom.corp_tags import CorpTags
from bot.wecom.customers import Customers
from bot.wecom.group_sends import GroupSends
from bot.wecom.group_welcomes import GroupWelcomes
from bot.wecom.moments import Moments
from bot.wecom.transfers import Transfers


class ExternalContacts(
    Acquisition, Customers, ContactWays, CorpTags, GroupSends, GroupWelcomes, Moments, Transfers, WeChatExternalContact
):
    """`client.external_contact`."""
