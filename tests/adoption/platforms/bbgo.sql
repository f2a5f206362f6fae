-- Like bbgo, the trading bot in Go. Facts from github.com/c9s/bbgo,
-- migrations/postgres/20201102222546_orders.sql, read 2026-11-28. Status is varchar(12) there, so
-- PARTIALLY_FILLED does not fit; a migration of 2023 makes it varchar(20).
CREATE TABLE orders (
    gid bigserial NOT NULL,
    exchange varchar(24) NOT NULL DEFAULT '',
    order_id bigint NOT NULL,
    client_order_id varchar(122) NOT NULL DEFAULT '',
    order_type varchar(16) NOT NULL,
    symbol varchar(32) NOT NULL,
    status varchar(12) NOT NULL,
    time_in_force varchar(4) NOT NULL,
    price numeric(16, 8) NOT NULL CHECK (price >= 0),
    stop_price numeric(16, 8) NOT NULL CHECK (stop_price >= 0),
    quantity numeric(16, 8) NOT NULL CHECK (quantity >= 0),
    executed_quantity numeric(16, 8) NOT NULL DEFAULT 0.0 CHECK (executed_quantity >= 0),
    side varchar(4) NOT NULL DEFAULT '',
    is_working boolean NOT NULL DEFAULT false,
    created_at timestamp(3) NOT NULL,
    updated_at timestamp(3) NOT NULL DEFAULT current_timestamp,
    is_margin boolean NOT NULL DEFAULT false,
    is_isolated boolean NOT NULL DEFAULT false,
    PRIMARY KEY (gid)
);
CREATE INDEX orders_symbol ON orders (exchange, symbol);
CREATE UNIQUE INDEX orders_order_id ON orders (order_id, exchange);
