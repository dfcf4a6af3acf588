"""Run the migrations on the connection that ``Database.create`` hands over, inside its transaction."""

from alembic import context

from reader_study.records import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
