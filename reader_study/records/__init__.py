"""The tables of the reader study, as SQLAlchemy sees them; ``migrations/`` makes and changes them.

Rows that are evidence (``APPEND_ONLY``) are only ever inserted: triggers in the database refuse UPDATE and
DELETE, whoever asks.
"""

from reader_study.records.base import (
    Base,
    Moment,
)
from reader_study.records.chain import (
    PACKAGE_KINDS,
    AuditRecord,
    SigningKeyRecord,
    SiteAuditRecord,
    SitePackageRecord,
)
from reader_study.records.judging import (
    TASKS,
    AdjudicationRecord,
    AdjudicatorRecord,
    PanelVoteRecord,
)
from reader_study.records.model import (
    DisplayRecord,
    EvidenceMapRecord,
    NearReferenceRecord,
    PredictionRecord,
)
from reader_study.records.people import (
    ROLES,
    ConsentRecord,
    IdentityRecord,
    InvitationRecord,
    LoginAttemptRecord,
    SessionRecord,
    SiteRecord,
    UserRecord,
)
from reader_study.records.readings import (
    EVENT_KINDS,
    TOKEN_PURPOSES,
    RankedEntryRecord,
    ReadingRecord,
    TimingEventRecord,
    TokenRecord,
)
from reader_study.records.studies import (
    STATES,
    ArmRecord,
    AssignmentRecord,
    CaseRecord,
    EnrolmentRecord,
    PeriodRecord,
    ReferenceRecord,
    StudyRecord,
)

APPEND_ONLY = (
    "readings",
    "ranked_entries",
    "model_predictions",
    "timing_events",
    "audit",
    "reference_standard",
    "enrolments",
    "assignments",
    "consents",
    "model_maps",
    "model_references",
    "model_displays",
    "adjudications",
    "panel_votes",
    "site_audit",
)

__all__ = [
    "APPEND_ONLY",
    "EVENT_KINDS",
    "PACKAGE_KINDS",
    "ROLES",
    "STATES",
    "TASKS",
    "TOKEN_PURPOSES",
    "AdjudicationRecord",
    "AdjudicatorRecord",
    "ArmRecord",
    "AssignmentRecord",
    "AuditRecord",
    "Base",
    "CaseRecord",
    "ConsentRecord",
    "DisplayRecord",
    "EnrolmentRecord",
    "EvidenceMapRecord",
    "IdentityRecord",
    "InvitationRecord",
    "LoginAttemptRecord",
    "Moment",
    "NearReferenceRecord",
    "PanelVoteRecord",
    "PeriodRecord",
    "PredictionRecord",
    "RankedEntryRecord",
    "ReadingRecord",
    "ReferenceRecord",
    "SessionRecord",
    "SigningKeyRecord",
    "SiteAuditRecord",
    "SitePackageRecord",
    "SiteRecord",
    "StudyRecord",
    "TimingEventRecord",
    "TokenRecord",
    "UserRecord",
]
