"""Designs with an aided arm, consent, profiles, invitations, adjudication, panels and site packages."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
APPEND_ONLY = {
    "reference_standard": "case_id, position",
    "enrolments": "study_id, reader_id",
    "assignments": "id",
    "consents": "id",
    "model_maps": "case_id, rank",
    "model_references": "case_id, rank",
    "model_displays": "id",
    "adjudications": "id",
    "panel_votes": "id",
    "site_audit": "package, id",
}
KINDS = (
    "'shown', 'first_interaction', 'hidden', 'visible', 'idle', 'active', 'paused', 'resumed', 'submitted'"
)


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    make_tables()
    add_columns()
    if sqlite:
        let_events_pause_sqlite()
    else:
        let_events_pause_postgresql()
    for table, key in APPEND_ONLY.items():
        if sqlite:
            refuse_changes_sqlite(table, key)
        else:
            refuse_changes_postgresql(table)


def refuse_changes_sqlite(table: str, key: str) -> None:
    """UPDATE, DELETE and INSERT OR REPLACE fail, as in the first schema."""
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_refuse_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
    same = " AND ".join(f"{column} = NEW.{column}" for column in key.split(", "))
    op.execute(
        f"CREATE TRIGGER {table}_refuse_replace BEFORE INSERT ON {table} "
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def refuse_changes_postgresql(table: str) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def let_events_pause_sqlite() -> None:
    """SQLite changes no constraint in place: the table is made anew, its rows carried over."""
    op.create_table(
        "timing_events_new",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("assignment_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint(f"kind IN ({KINDS})", name=op.f("ck_timing_events_kind_known")),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignments.id"], name=op.f("fk_timing_events_assignment_id_assignments")
        ),
        sa.ForeignKeyConstraint(
            ["token_hash"],
            ["reading_tokens.token_hash"],
            name=op.f("fk_timing_events_token_hash_reading_tokens"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timing_events")),
    )
    op.execute(
        "INSERT INTO timing_events_new (id, assignment_id, token_hash, kind, at) "
        "SELECT id, assignment_id, token_hash, kind, at FROM timing_events"
    )
    for verb in ("update", "delete", "replace"):
        op.execute(f"DROP TRIGGER timing_events_refuse_{verb}")
    op.drop_table("timing_events")
    op.rename_table("timing_events_new", "timing_events")
    op.create_index(op.f("ix_timing_events_assignment_id"), "timing_events", ["assignment_id"])
    op.create_index(op.f("ix_timing_events_token_hash"), "timing_events", ["token_hash"])
    refuse_changes_sqlite("timing_events", "id")


def let_events_pause_postgresql() -> None:
    op.drop_constraint(op.f("ck_timing_events_kind_known"), "timing_events", type_="check")
    op.create_check_constraint(op.f("ck_timing_events_kind_known"), "timing_events", f"kind IN ({KINDS})")


def add_columns() -> None:
    op.add_column("cases", sa.Column("block", sa.Integer(), nullable=True))
    op.add_column("enrolments", sa.Column("block", sa.Integer(), nullable=True))
    op.add_column(
        "reading_tokens", sa.Column("purpose", sa.String(length=20), nullable=False, server_default="reading")
    )
    op.add_column("readings", sa.Column("findings", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("readings", sa.Column("late", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("studies", sa.Column("archived_at", MOMENT, nullable=True))
    op.add_column("studies", sa.Column("vocabulary", sa.JSON(), nullable=True))
    op.add_column("users", sa.Column("country", sa.String(length=2), nullable=False, server_default=""))
    op.add_column("users", sa.Column("specialty", sa.String(length=64), nullable=False, server_default=""))
    op.add_column("users", sa.Column("profile_at", MOMENT, nullable=True))


def make_tables() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("secret_key", sa.String(length=64), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_signing_keys")),
    )
    op.create_table(
        "site_audit",
        sa.Column("package", sa.String(length=40), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("actor_id", sa.String(length=40), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("details", sa.String(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("package", "id", name=op.f("pk_site_audit")),
    )
    op.create_table(
        "sites",
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_sites")),
    )
    op.create_table(
        "adjudications",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("text_key", sa.String(length=400), nullable=False),
        sa.Column("adjudicator_id", sa.String(length=40), nullable=False),
        sa.Column("diagnosis", sa.String(length=200), nullable=True),
        sa.Column("comment", sa.String(length=2000), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["adjudicator_id"], ["users.id"], name=op.f("fk_adjudications_adjudicator_id_users")
        ),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_adjudications_study_id_studies")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjudications")),
        sa.UniqueConstraint(
            "study_id",
            "text_key",
            "adjudicator_id",
            name=op.f("uq_adjudications_study_id_text_key_adjudicator_id"),
        ),
    )
    op.create_table(
        "adjudicators",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("task", sa.String(length=20), nullable=False),
        sa.Column("assigned_at", MOMENT, nullable=False),
        sa.CheckConstraint("task IN ('free_text', 'reference')", name=op.f("ck_adjudicators_task_known")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_adjudicators_study_id_studies")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_adjudicators_user_id_users")),
        sa.PrimaryKeyConstraint("study_id", "user_id", "task", name=op.f("pk_adjudicators")),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("reader_id", sa.String(length=40), nullable=False),
        sa.Column("text_sha256", sa.String(length=64), nullable=False),
        sa.Column("agreed_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["reader_id"], ["users.id"], name=op.f("fk_consents_reader_id_users")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_consents_study_id_studies")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
        sa.UniqueConstraint(
            "study_id", "reader_id", "text_sha256", name=op.f("uq_consents_study_id_reader_id_text_sha256")
        ),
    )
    op.create_index(op.f("ix_consents_reader_id"), "consents", ["reader_id"], unique=False)
    op.create_table(
        "invitations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=True),
        sa.Column("user_id", sa.String(length=40), nullable=True),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.Column("used_by", sa.String(length=40), nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "role IN ('reader', 'coordinator', 'manager', 'statistician', 'admin')",
            name=op.f("ck_invitations_role_known"),
        ),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_invitations_study_id_studies")),
        sa.ForeignKeyConstraint(["used_by"], ["users.id"], name=op.f("fk_invitations_used_by_users")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_invitations_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitations_token_hash")),
    )
    op.create_table(
        "site_packages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("package", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=False),
        sa.Column("secret_key", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "kind IN ('sent', 'opened', 'returned', 'received')", name=op.f("ck_site_packages_kind_known")
        ),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_site_packages_study_id_studies")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_packages")),
        sa.UniqueConstraint("package", "kind", "sha256", name=op.f("uq_site_packages_package_kind_sha256")),
    )
    op.create_table(
        "model_maps",
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("png", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_model_maps_case_id_cases")),
        sa.PrimaryKeyConstraint("case_id", "rank", name=op.f("pk_model_maps")),
    )
    op.create_table(
        "model_references",
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("diagnosis", sa.String(length=200), nullable=False),
        sa.Column("similarity", sa.Double(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("png", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_model_references_case_id_cases")),
        sa.PrimaryKeyConstraint("case_id", "rank", name=op.f("pk_model_references")),
    )
    op.create_table(
        "panel_votes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("panelist_id", sa.String(length=40), nullable=False),
        sa.Column("diagnoses", sa.JSON(), nullable=False),
        sa.Column("comment", sa.String(length=2000), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_panel_votes_case_id_cases")),
        sa.ForeignKeyConstraint(["panelist_id"], ["users.id"], name=op.f("fk_panel_votes_panelist_id_users")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_panel_votes_study_id_studies")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_panel_votes")),
        sa.UniqueConstraint("case_id", "panelist_id", name=op.f("uq_panel_votes_case_id_panelist_id")),
    )
    op.create_table(
        "model_displays",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("assignment_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("shown_at", MOMENT, nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignments.id"], name=op.f("fk_model_displays_assignment_id_assignments")
        ),
        sa.ForeignKeyConstraint(
            ["token_hash"],
            ["reading_tokens.token_hash"],
            name=op.f("fk_model_displays_token_hash_reading_tokens"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_displays")),
        sa.UniqueConstraint("assignment_id", name=op.f("uq_model_displays_assignment_id")),
    )
