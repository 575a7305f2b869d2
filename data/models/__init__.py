"""The tables. Importing this package registers all of them."""

from data.models.access import AccessToken, ApiToken, Lease
from data.models.accounts import Account, AccountSession, Invitation, Role
from data.models.acquisition import AcquisitionCustomer, AcquisitionDay, AcquisitionQuota
from data.models.alerts import Alert
from data.models.approvals import Approval, ApprovalStatus, Card, CardChange
from data.models.assistant import AssistantState
from data.models.audit import AuditEntry
from data.models.behaviour import BehaviourDay, FigurePull, OwnerDay
from data.models.budgets import CallCount, CallPause
from data.models.campaigns import (
    Batch,
    BatchStatus,
    Campaign,
    PauseRule,
    Recipient,
    RecipientState,
    Run,
    RunStatus,
    Wave,
    WaveCustomer,
)
from data.models.channels import (
    Channel,
    ChannelDay,
    ChannelImage,
    ChannelImport,
    ChannelKind,
    ChannelMember,
    ChannelPlan,
    ChannelStatus,
)
from data.models.customers import (
    Customer,
    Follow,
    FollowMobile,
    FollowStatus,
    FollowTag,
    FollowWords,
    Transfer,
    TransferStatus,
)
from data.models.digests import Digest, DigestChoice
from data.models.fields import Birthday, CustomerField, FieldDefinition
from data.models.forms import FormAnswer, FormRow
from data.models.group_waves import GroupRecipient
from data.models.group_welcomes import GroupWelcome, GroupWelcomeStatus
from data.models.groups import CustomerGroup, GroupMember
from data.models.handovers import GroupTransfer, Handover, HandoverStatus, Unassigned
from data.models.happenings import Happening
from data.models.health import CallbackHealth
from data.models.imports import Import, ImportedId, ImportPiece, ImportRow, ImportStatus, RowState
from data.models.inbox import InboxEvent, InboxOutcome, InboxTask, OutcomeStatus, TaskStatus, inbox_metadata
from data.models.jobs import JobState
from data.models.join_ways import JoinWay, JoinWayImage, JoinWayStatus
from data.models.journey_scans import JourneyMember, JourneyScan
from data.models.journeys import (
    BarReason,
    BarredBeginning,
    EndReason,
    Enrolment,
    JourneyRow,
    JourneyStatus,
    JourneyVersion,
    JourneyWave,
    StepCount,
    StepOutcome,
    StepRecord,
)
from data.models.kept import KeptValue
from data.models.kf import KfAccount, KfMessage, KfRuleRow, KfSession
from data.models.knowledge import (
    DraftRow,
    KnowledgeGram,
    KnowledgePairRow,
    KnowledgePhrasing,
    KnowledgeRarity,
    KnowledgeSynonyms,
    UnansweredQuestion,
)
from data.models.leaves import Leave
from data.models.links import Link, LinkClick, OtherClick
from data.models.markings import Marking, MarkingChange, MarkingItem, MarkingStatus
from data.models.media import Media, MediaUpload
from data.models.moments import MomentReaction, Publisher, PublisherState, ReactionKind
from data.models.notes import NextContact, Note
from data.models.orders import Order, PaymentPull, RepeatedRequest
from data.models.privacy import Erasure, ErasureKey, Preference
from data.models.reports import Cohort, ReportReader
from data.models.rosters import Roster, RosterMember
from data.models.rules import TagRuleRow, WelcomeRuleRow
from data.models.scripts import ScriptDepartment, ScriptFavourite, ScriptGram, ScriptRow, ScriptUse
from data.models.segments import SegmentRow
from data.models.staff import Department, Staff
from data.models.staff_tasks import StaffTask, StaffTaskStatus
from data.models.sync import SyncPart, SyncRun, SyncStage, SyncStatus
from data.models.tags import Tag, TagGroup
from data.models.templates import TemplateRow, TemplateVersion
from data.models.testers import Tester
from data.models.touches import OwnSendPull, Touch
from data.models.webhooks import Webhook, WebhookCall
from data.models.welcomes import Welcome, WelcomeStatus
from data.models.winners import Winner

__all__ = [
    "AccessToken",
    "Account",
    "AccountSession",
    "AcquisitionCustomer",
    "AcquisitionDay",
    "AcquisitionQuota",
    "Alert",
    "ApiToken",
    "Approval",
    "ApprovalStatus",
    "AssistantState",
    "AuditEntry",
    "BarReason",
    "BarredBeginning",
    "Batch",
    "BatchStatus",
    "BehaviourDay",
    "Birthday",
    "CallCount",
    "CallPause",
    "CallbackHealth",
    "Campaign",
    "Card",
    "CardChange",
    "Channel",
    "ChannelDay",
    "ChannelImage",
    "ChannelImport",
    "ChannelKind",
    "ChannelMember",
    "ChannelPlan",
    "ChannelStatus",
    "Cohort",
    "Customer",
    "CustomerField",
    "CustomerGroup",
    "Department",
    "Digest",
    "DigestChoice",
    "DraftRow",
    "EndReason",
    "Enrolment",
    "Erasure",
    "ErasureKey",
    "FieldDefinition",
    "FigurePull",
    "Follow",
    "FollowMobile",
    "FollowStatus",
    "FollowTag",
    "FollowWords",
    "FormAnswer",
    "FormRow",
    "GroupMember",
    "GroupRecipient",
    "GroupTransfer",
    "GroupWelcome",
    "GroupWelcomeStatus",
    "Handover",
    "HandoverStatus",
    "Happening",
    "Import",
    "ImportPiece",
    "ImportRow",
    "ImportStatus",
    "ImportedId",
    "InboxEvent",
    "InboxOutcome",
    "InboxTask",
    "Invitation",
    "JobState",
    "JoinWay",
    "JoinWayImage",
    "JoinWayStatus",
    "JourneyMember",
    "JourneyRow",
    "JourneyScan",
    "JourneyStatus",
    "JourneyVersion",
    "JourneyWave",
    "KeptValue",
    "KfAccount",
    "KfMessage",
    "KfRuleRow",
    "KfSession",
    "KnowledgeGram",
    "KnowledgePairRow",
    "KnowledgePhrasing",
    "KnowledgeRarity",
    "KnowledgeSynonyms",
    "Lease",
    "Leave",
    "Link",
    "LinkClick",
    "Marking",
    "MarkingChange",
    "MarkingItem",
    "MarkingStatus",
    "Media",
    "MediaUpload",
    "MomentReaction",
    "NextContact",
    "Note",
    "Order",
    "OtherClick",
    "OutcomeStatus",
    "OwnSendPull",
    "OwnerDay",
    "PauseRule",
    "PaymentPull",
    "Preference",
    "Publisher",
    "PublisherState",
    "ReactionKind",
    "Recipient",
    "RecipientState",
    "RepeatedRequest",
    "ReportReader",
    "Role",
    "Roster",
    "RosterMember",
    "RowState",
    "Run",
    "RunStatus",
    "ScriptDepartment",
    "ScriptFavourite",
    "ScriptGram",
    "ScriptRow",
    "ScriptUse",
    "SegmentRow",
    "Staff",
    "StaffTask",
    "StaffTaskStatus",
    "StepCount",
    "StepOutcome",
    "StepRecord",
    "SyncPart",
    "SyncRun",
    "SyncStage",
    "SyncStatus",
    "Tag",
    "TagGroup",
    "TagRuleRow",
    "TaskStatus",
    "TemplateRow",
    "TemplateVersion",
    "Tester",
    "Touch",
    "Transfer",
    "TransferStatus",
    "UnansweredQuestion",
    "Unassigned",
    "Wave",
    "WaveCustomer",
    "Webhook",
    "WebhookCall",
    "Welcome",
    "WelcomeRuleRow",
    "WelcomeStatus",
    "Winner",
    "inbox_metadata",
]
