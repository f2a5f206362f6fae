-- Like hummingbot-api, the server for many bots. Facts from github.com/hummingbot/hummingbot-api,
-- database/models.py, read 2026-11-28.
CREATE TABLE orders (
    id serial PRIMARY KEY,
    client_order_id varchar NOT NULL,
    exchange_order_id varchar,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    account_name varchar NOT NULL,
    connector_name varchar NOT NULL,
    trading_pair varchar NOT NULL,
    trade_type varchar NOT NULL,
    order_type varchar NOT NULL,
    amount numeric(30, 18) NOT NULL,
    price numeric(30, 18),
    status varchar NOT NULL,
    filled_amount numeric(30, 18) NOT NULL,
    average_fill_price numeric(30, 18),
    fee_paid numeric(30, 18),
    fee_currency varchar,
    error_message text
);
CREATE UNIQUE INDEX ix_orders_client_order_id ON orders (client_order_id);
CREATE INDEX ix_orders_exchange_order_id ON orders (exchange_order_id);
CREATE INDEX ix_orders_id ON orders (id);
CREATE INDEX ix_orders_created_at ON orders (created_at);
CREATE INDEX ix_orders_account_name ON orders (account_name);
CREATE INDEX ix_orders_connector_name ON orders (connector_name);
CREATE INDEX ix_orders_trading_pair ON orders (trading_pair);
CREATE INDEX ix_orders_status ON orders (status);
CREATE TABLE trades (
    id serial PRIMARY KEY,
    order_id integer NOT NULL REFERENCES orders,
    trade_id varchar NOT NULL UNIQUE,
    amount numeric(30, 18) NOT NULL,
    price numeric(30, 18) NOT NULL
);
