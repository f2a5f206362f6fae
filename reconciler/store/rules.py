"""Find rules that keep our statements from running.

We change rows and log them in one statement, in data-modifying subqueries. With a rule for what
such a subquery does PostgreSQL refuses the statement, or runs another one instead.
"""

from sqlalchemy import Connection

from reconciler.errors import Problem

_EVENT_TYPES = {"UPDATE": "2", "INSERT": "3"}
_RULES = """
SELECT quote_ident(rulename) FROM pg_rewrite
WHERE ev_class = to_regclass(%s) AND ev_type::text = %s AND ev_enabled <> 'D'
ORDER BY 1
"""


def rule_problems(connection: Connection, table: str, event: str) -> list[Problem]:
    """Name each rule of the table for UPDATE or INSERT."""
    rules = connection.exec_driver_sql(_RULES, (table, _EVENT_TYPES[event])).scalars()
    return [
        Problem(
            what=f"{table} has the rule {rule} for each {event.lower()}, with which PostgreSQL"
            " does not run our statements",
            hint=f"have its owner replace it by a trigger, and run: DROP RULE {rule} ON {table}",
        )
        for rule in rules
    ]
