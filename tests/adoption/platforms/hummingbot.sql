-- Like hummingbot, the market-making bot. Facts from github.com/hummingbot/hummingbot,
-- hummingbot/model/order.py (amounts are integers, in millionths), order_status.py and
-- hummingbot/core/event/events.py, read 2026-11-28. It has fills in another table, `TradeFill`;
-- `filled_amount` and `average_price` are the columns that a platform adds, in millionths too.
CREATE TABLE "Order" (
    id text PRIMARY KEY,
    config_file_path text NOT NULL,
    strategy text NOT NULL,
    market text NOT NULL,
    symbol text NOT NULL,
    base_asset text NOT NULL,
    quote_asset text NOT NULL,
    creation_timestamp bigint NOT NULL,
    order_type text NOT NULL,
    amount bigint NOT NULL,
    leverage integer NOT NULL DEFAULT 1,
    price bigint NOT NULL,
    last_status text NOT NULL,
    last_update_timestamp bigint NOT NULL,
    exchange_order_id text,
    position text,
    filled_amount bigint NOT NULL DEFAULT 0,
    average_price bigint
);
CREATE INDEX o_config_timestamp_index ON "Order" (config_file_path, creation_timestamp);
CREATE INDEX o_market_trading_pair_timestamp_index
    ON "Order" (market, symbol, creation_timestamp);
CREATE INDEX o_market_base_asset_timestamp_index
    ON "Order" (market, base_asset, creation_timestamp);
CREATE INDEX o_market_quote_asset_timestamp_index
    ON "Order" (market, quote_asset, creation_timestamp);
CREATE TABLE "OrderStatus" (
    id serial PRIMARY KEY,
    order_id text NOT NULL REFERENCES "Order",
    timestamp bigint NOT NULL,
    status text NOT NULL
);
CREATE INDEX os_order_id_timestamp_index ON "OrderStatus" (order_id, timestamp);
