-- Like freqtrade, the trading bot with SQLAlchemy. Facts from github.com/freqtrade/freqtrade,
-- freqtrade/persistence/trade_model.py, read 2026-11-28.
CREATE TABLE trades (
    id serial PRIMARY KEY,
    exchange varchar(25) NOT NULL,
    pair varchar(25) NOT NULL,
    is_open boolean NOT NULL DEFAULT true
);
INSERT INTO trades (exchange, pair) VALUES ('binance', 'BTC/USDT');
CREATE TABLE orders (
    id serial PRIMARY KEY,
    ft_trade_id integer NOT NULL REFERENCES trades,
    ft_order_side varchar(25) NOT NULL,
    ft_pair varchar(25) NOT NULL,
    ft_is_open boolean NOT NULL,
    ft_amount double precision NOT NULL,
    ft_price double precision NOT NULL,
    ft_cancel_reason varchar(255),
    order_id varchar(255) NOT NULL,
    status varchar(255),
    symbol varchar(25),
    order_type varchar(50),
    side varchar(25),
    price double precision,
    average double precision,
    amount double precision,
    filled double precision,
    remaining double precision,
    cost double precision,
    stop_price double precision,
    order_date timestamp,
    order_filled_date timestamp,
    order_update_date timestamp,
    funding_fee double precision,
    ft_fee_base double precision,
    ft_order_tag varchar(255),
    CONSTRAINT _order_pair_order_id UNIQUE (ft_pair, order_id)
);
CREATE INDEX ix_orders_ft_is_open ON orders (ft_is_open);
CREATE INDEX ix_orders_ft_trade_id ON orders (ft_trade_id);
CREATE INDEX ix_orders_order_id ON orders (order_id);
