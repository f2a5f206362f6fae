"""A database with many orders, changes and holds, filled by the server itself."""

import psycopg

_SYMBOLS = "(ARRAY['BTCUSDT', 'ETHUSDT', 'SOLUSDT', 'XRPUSDT', 'ADAUSDT'])[1 + n %% 5]"
_STATUSES = "(ARRAY['partial', 'filled', 'canceled', 'expired'])[1 + n %% 4]"

_ORDERS = f"""
    INSERT INTO orders (symbol, external_order_id, client_order_id, side, status, qty, executed_qty,
        avg_price, last_synced_at)
    SELECT {_SYMBOLS}, 'x' || n, 'client-' || n, 'buy', 'new', 10, 0, NULL, now()
    FROM generate_series(1, %(holds)s) n
"""  # noqa: S608 - from constants

# A change a second until now, and the newest of order 1.
_CHANGES = f"""
    INSERT INTO activity_log (order_id, action, details, created_at)
    SELECT (1 + (%(changes)s - n) %% %(holds)s)::text, 'reconciliation.update', jsonb_build_object(
        'from', jsonb_build_object('status', 'new', 'executed_qty', '0', 'avg_price', NULL),
        'to', jsonb_build_object('status', {_STATUSES}, 'executed_qty', (n %% 10)::text || '.5',
            'avg_price', '60123.45'),
        'exchange', 'binance',
        'rule', CASE n %% 1000 WHEN 0 THEN 'price_corrected' ELSE 'status_advanced' END,
        'fetched_at', now() - make_interval(secs => %(changes)s - n),
        'report', jsonb_build_object('symbol', {_SYMBOLS}, 'external_order_id', 'x' || n,
            'word', 'FILLED', 'status', {_STATUSES}, 'executed_qty', (n %% 10)::text || '.5',
            'avg_price', '60123.45', 'quantity', '10', 'side', 'buy',
            'client_order_id', 'client-' || n, 'placed_at', now())
    ), now() - make_interval(secs => %(changes)s - n)
    FROM generate_series(1, %(changes)s) n
"""  # noqa: S608 - from constants

_HOLDS = f"""
    INSERT INTO reconciliation_holds (order_id, reason, detail, attempts, first_held_at,
        next_attempt_at, row_facts, report, held_symbol, held_external_order_id)
    SELECT n::text, (ARRAY['conflict', 'not_found', 'error'])[1 + n %% 3], 'executed 1.5, row 2',
        1 + n %% 7, now() - make_interval(secs => n), now() + make_interval(mins => n %% 60),
        jsonb_build_object('status', 'new', 'executed_qty', '0', 'avg_price', NULL, 'qty', '10',
            'side', 'buy', 'client_order_id', 'client-' || n),
        CASE WHEN n %% 3 <> 1 THEN jsonb_build_object('symbol', {_SYMBOLS},
            'external_order_id', 'x' || n, 'word', 'FILLED', 'status', 'filled',
            'executed_qty', '10', 'avg_price', '60123.45', 'quantity', '10', 'side', 'buy',
            'client_order_id', 'client-' || n) END,
        {_SYMBOLS}, 'x' || n
    FROM generate_series(1, %(holds)s) n
"""  # noqa: S608 - from constants

_ENDED_HOLDS = """
    INSERT INTO reconciliation_holds (order_id, reason, detail, attempts, first_held_at,
        next_attempt_at, row_facts, report, held_symbol, held_external_order_id, resolved_at,
        resolution)
    SELECT order_id, reason, detail, attempts, first_held_at - interval '1 day', next_attempt_at,
        row_facts, report, held_symbol, held_external_order_id, now(), 'reconciled'
    FROM reconciliation_holds WHERE %(holds)s > 0
"""


def fill(database_url: str, *, changes: int, holds: int) -> None:
    """Add orders on hold, the same number of ended holds, and changes."""
    given = {"changes": changes, "holds": holds}
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in (_ORDERS, _CHANGES, _HOLDS, _ENDED_HOLDS):
            connection.execute(statement.encode(), given)
        connection.execute("ANALYZE")
