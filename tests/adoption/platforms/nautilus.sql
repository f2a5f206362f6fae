-- Like nautilus_trader, the trading engine in Rust and Python. Facts from
-- github.com/nautechsystems/nautilus_trader, schema/sql/tables.sql, read 2026-11-28.
CREATE TABLE trader (id text PRIMARY KEY NOT NULL, instance_id uuid);
INSERT INTO trader (id) VALUES ('TRADER-001');
CREATE TABLE instrument (
    id text PRIMARY KEY NOT NULL,
    raw_symbol text NOT NULL,
    price_precision integer NOT NULL
);
CREATE TABLE "order" (
    id text PRIMARY KEY NOT NULL,
    trader_id text REFERENCES trader (id) ON DELETE CASCADE,
    strategy_id text NOT NULL,
    instrument_id text REFERENCES instrument (id) ON DELETE CASCADE,
    client_order_id text NOT NULL,
    venue_order_id text,
    position_id text,
    account_id text,
    last_trade_id text,
    order_type text NOT NULL,
    order_side text NOT NULL,
    quantity text NOT NULL,
    price text,
    trigger_price text,
    trigger_type text,
    time_in_force text NOT NULL,
    expire_time text,
    filled_qty text DEFAULT '0',
    liquidity_side text,
    avg_px double precision,
    slippage double precision,
    commissions text[],
    status text NOT NULL,
    is_post_only boolean,
    is_reduce_only boolean,
    is_quote_quantity boolean,
    display_qty text,
    linked_order_ids text[],
    exec_algorithm_params jsonb,
    tags text[],
    init_id text NOT NULL,
    ts_init text NOT NULL,
    ts_last text NOT NULL,
    created_at timestamptz DEFAULT current_timestamp,
    updated_at timestamptz DEFAULT current_timestamp
);
