"""Alembic's entry point: run our revisions on the given connection, or print them as SQL."""

from alembic import context

from reconciler.store.tables import VERSION_TABLE

connection = context.config.attributes.get("connection")

if connection is None:
    context.configure(
        dialect_name="postgresql",
        literal_binds=True,
        version_table=VERSION_TABLE,
        transaction_per_migration=True,
    )
else:
    context.configure(
        connection=connection, version_table=VERSION_TABLE, transaction_per_migration=True
    )

with context.begin_transaction():
    context.run_migrations()
