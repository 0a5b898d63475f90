"""Run by Alembic, inside the transaction of `ddx.store.database.Database.migrate`."""

from alembic import context

from ddx.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=context.config.attributes["version_table"],
    transactional_ddl=True,
)
context.run_migrations()
