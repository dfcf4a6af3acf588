"""The first schema: accounts, studies, orders, readings, frozen predictions and the audit chain."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
APPEND_ONLY = {
    "readings": "id",
    "ranked_entries": "reading_id, rank",
    "model_predictions": "case_id, rank",
    "timing_events": "id",
    "audit": "id",
}


def upgrade() -> None:
    make_tables()
    if op.get_bind().dialect.name == "sqlite":
        refuse_changes_sqlite()
    else:
        refuse_changes_postgresql()


def refuse_changes_sqlite() -> None:
    """UPDATE and DELETE fail; so does INSERT OR REPLACE on an existing row, which fires no DELETE trigger."""
    for table, key in APPEND_ONLY.items():
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


def refuse_changes_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def make_tables() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("actor_id", sa.String(length=40), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("details", sa.String(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sa.UniqueConstraint("hash", name=op.f("uq_audit_hash")),
    )
    op.create_index(op.f("ix_audit_subject"), "audit", ["subject"], unique=False)
    op.create_table(
        "login_attempts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("succeeded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_attempts")),
    )
    op.create_index("ix_login_attempts_account_at", "login_attempts", ["account", "at"], unique=False)
    op.create_index("ix_login_attempts_address_at", "login_attempts", ["address", "at"], unique=False)
    op.create_table(
        "studies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("protocol_version", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("design", sa.String(length=20), nullable=False),
        sa.Column("label_set", sa.String(length=200), nullable=False),
        sa.Column("label_set_version", sa.String(length=40), nullable=False),
        sa.Column("k", sa.Integer(), nullable=False),
        sa.Column("confidence_levels", sa.Integer(), nullable=False),
        sa.Column("wash_out_days", sa.Integer(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("synthetic", sa.Boolean(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("model_identity", sa.JSON(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("opened_at", MOMENT, nullable=True),
        sa.Column("locked_at", MOMENT, nullable=True),
        sa.Column("unblinded_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "state IN ('draft', 'open', 'locked', 'unblinded', 'archived')",
            name=op.f("ck_studies_state_known"),
        ),
        sa.CheckConstraint("k BETWEEN 1 AND 20", name=op.f("ck_studies_k_range")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_studies")),
        sa.UniqueConstraint("name", name=op.f("uq_studies_name")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("years", sa.Integer(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("must_change_password", sa.Boolean(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "role IN ('reader', 'coordinator', 'manager', 'statistician', 'admin')",
            name=op.f("ck_users_role_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("code", name=op.f("uq_users_code")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
    )
    op.create_table(
        "arms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("shows_model", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_arms_study_id_studies")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_arms")),
        sa.UniqueConstraint("study_id", "name", name=op.f("uq_arms_study_id_name")),
    )
    op.create_table(
        "cases",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("image_path", sa.String(length=4096), nullable=False),
        sa.Column("image_sha256", sa.String(length=64), nullable=False),
        sa.Column("rare", sa.Boolean(), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("practice", sa.Boolean(), nullable=False),
        sa.Column("extra", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_cases_study_id_studies")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
        sa.UniqueConstraint("study_id", "code", name=op.f("uq_cases_study_id_code")),
        sa.UniqueConstraint("study_id", "position", name=op.f("uq_cases_study_id_position")),
    )
    op.create_table(
        "enrolments",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("reader_id", sa.String(length=40), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("enrolled_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["reader_id"], ["users.id"], name=op.f("fk_enrolments_reader_id_users")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_enrolments_study_id_studies")),
        sa.PrimaryKeyConstraint("study_id", "reader_id", name=op.f("pk_enrolments")),
        sa.UniqueConstraint("study_id", "ordinal", name=op.f("uq_enrolments_study_id_ordinal")),
    )
    op.create_index(op.f("ix_enrolments_reader_id"), "enrolments", ["reader_id"], unique=False)
    op.create_table(
        "identities",
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_identities_user_id_users")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_identities")),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id_users")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)
    op.create_table(
        "assignments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("reader_id", sa.String(length=40), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("arm_id", sa.Integer(), nullable=False),
        sa.Column("repeat", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["arm_id"], ["arms.id"], name=op.f("fk_assignments_arm_id_arms")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_assignments_case_id_cases")),
        sa.ForeignKeyConstraint(["reader_id"], ["users.id"], name=op.f("fk_assignments_reader_id_users")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_assignments_study_id_studies")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignments")),
        sa.UniqueConstraint("reader_id", "case_id", "period", "repeat", name="uq_assignments_case"),
        sa.UniqueConstraint("study_id", "reader_id", "period", "position", name="uq_assignments_place"),
    )
    op.create_index(op.f("ix_assignments_reader_id"), "assignments", ["reader_id"], unique=False)
    op.create_table(
        "model_predictions",
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("diagnosis", sa.String(length=200), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_model_predictions_case_id_cases")),
        sa.PrimaryKeyConstraint("case_id", "rank", name=op.f("pk_model_predictions")),
    )
    op.create_table(
        "periods",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("arm_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["arm_id"], ["arms.id"], name=op.f("fk_periods_arm_id_arms")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_periods_study_id_studies")),
        sa.PrimaryKeyConstraint("study_id", "sequence", "number", name=op.f("pk_periods")),
    )
    op.create_table(
        "reference_standard",
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("diagnosis", sa.String(length=200), nullable=False),
        sa.Column("established_by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_reference_standard_case_id_cases")),
        sa.PrimaryKeyConstraint("case_id", "position", name=op.f("pk_reference_standard")),
    )
    op.create_table(
        "reading_tokens",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("assignment_id", sa.Integer(), nullable=False),
        sa.Column("reader_id", sa.String(length=40), nullable=False),
        sa.Column("issued_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignments.id"], name=op.f("fk_reading_tokens_assignment_id_assignments")
        ),
        sa.ForeignKeyConstraint(["reader_id"], ["users.id"], name=op.f("fk_reading_tokens_reader_id_users")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_reading_tokens")),
    )
    op.create_index(
        op.f("ix_reading_tokens_assignment_id"), "reading_tokens", ["assignment_id"], unique=False
    )
    op.create_table(
        "readings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("assignment_id", sa.Integer(), nullable=False),
        sa.Column("reader_id", sa.String(length=40), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("repeat", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("confidence", sa.Integer(), nullable=False),
        sa.Column("comment", sa.String(length=4000), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("submitted_at", MOMENT, nullable=False),
        sa.CheckConstraint("revision >= 1", name=op.f("ck_readings_revision_positive")),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignments.id"], name=op.f("fk_readings_assignment_id_assignments")
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_readings_case_id_cases")),
        sa.ForeignKeyConstraint(["reader_id"], ["users.id"], name=op.f("fk_readings_reader_id_users")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_readings_study_id_studies")),
        sa.ForeignKeyConstraint(
            ["token_hash"], ["reading_tokens.token_hash"], name=op.f("fk_readings_token_hash_reading_tokens")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_readings")),
        sa.UniqueConstraint("assignment_id", "revision", name="uq_readings_assignment"),
        sa.UniqueConstraint(
            "reader_id", "case_id", "period", "repeat", "revision", name="uq_readings_current"
        ),
        sa.UniqueConstraint("token_hash", name="uq_readings_token"),
    )
    op.create_index(op.f("ix_readings_study_id"), "readings", ["study_id"], unique=False)
    op.create_table(
        "timing_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("assignment_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "kind IN ('shown', 'first_interaction', 'hidden', 'visible', 'idle', 'active', 'submitted')",
            name=op.f("ck_timing_events_kind_known"),
        ),
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
    op.create_index(op.f("ix_timing_events_assignment_id"), "timing_events", ["assignment_id"], unique=False)
    op.create_index(op.f("ix_timing_events_token_hash"), "timing_events", ["token_hash"], unique=False)
    op.create_table(
        "ranked_entries",
        sa.Column("reading_id", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("diagnosis", sa.String(length=200), nullable=True),
        sa.Column("text", sa.String(length=400), nullable=False),
        sa.CheckConstraint("rank >= 1", name=op.f("ck_ranked_entries_rank_positive")),
        sa.ForeignKeyConstraint(
            ["reading_id"], ["readings.id"], name=op.f("fk_ranked_entries_reading_id_readings")
        ),
        sa.PrimaryKeyConstraint("reading_id", "rank", name=op.f("pk_ranked_entries")),
        sa.UniqueConstraint("reading_id", "diagnosis", name="uq_ranked_entries_diagnosis"),
    )
