-- Like jesse, the trading framework with Peewee. Facts from github.com/jesse-ai/jesse,
-- jesse/models/Order.py and jesse/enums, read 2026-11-28. Peewee's defaults are in Python.
CREATE TABLE "order" (
    id uuid NOT NULL PRIMARY KEY,
    trade_id uuid,
    session_id uuid NOT NULL,
    exchange_id varchar(255),
    vars json NOT NULL,
    symbol varchar(255) NOT NULL,
    exchange varchar(255) NOT NULL,
    side varchar(255) NOT NULL,
    type varchar(255) NOT NULL,
    reduce_only boolean NOT NULL,
    qty real NOT NULL,
    filled_qty real NOT NULL,
    price real,
    status varchar(255) NOT NULL,
    created_at bigint NOT NULL,
    executed_at bigint,
    canceled_at bigint
);
CREATE INDEX order_trade_id ON "order" (trade_id);
CREATE INDEX order_session_id ON "order" (session_id);
CREATE INDEX order_exchange_symbol ON "order" (exchange, symbol);
