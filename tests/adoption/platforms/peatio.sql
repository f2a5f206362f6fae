-- Like peatio, the exchange in Ruby on Rails. Facts from github.com/openware/peatio,
-- app/models/order.rb and db/schema.rb (the annotations of 2019 and later), read 2026-11-28.
-- peatio matches its orders itself: an order that is placed at another exchange has no id of that
-- exchange. `venue_order_id` is the column that a platform adds for it.
CREATE TABLE members (id serial PRIMARY KEY, uid varchar(32) NOT NULL UNIQUE);
INSERT INTO members (uid) VALUES ('ID0000000001');
CREATE TABLE markets (
    id varchar(20) PRIMARY KEY,
    base_unit varchar(10) NOT NULL,
    quote_unit varchar(10) NOT NULL,
    state varchar(32) NOT NULL DEFAULT 'enabled',
    UNIQUE (base_unit, quote_unit)
);
CREATE TABLE orders (
    id serial PRIMARY KEY,
    bid varchar(10) NOT NULL,
    ask varchar(10) NOT NULL,
    market_id varchar(20) NOT NULL,
    price numeric(32, 16),
    volume numeric(32, 16) NOT NULL,
    origin_volume numeric(32, 16) NOT NULL,
    maker_fee numeric(17, 16) NOT NULL DEFAULT 0,
    taker_fee numeric(17, 16) NOT NULL DEFAULT 0,
    state integer NOT NULL,
    type varchar(8) NOT NULL,
    member_id integer NOT NULL,
    ord_type varchar(30) NOT NULL,
    locked numeric(32, 16) NOT NULL DEFAULT 0,
    origin_locked numeric(32, 16) NOT NULL DEFAULT 0,
    funds_received numeric(32, 16) DEFAULT 0,
    trades_count integer NOT NULL DEFAULT 0,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL,
    venue_order_id varchar(64)
);
CREATE INDEX index_orders_on_member_id ON orders (member_id);
CREATE INDEX index_orders_on_state ON orders (state);
CREATE INDEX index_orders_on_type_and_market_id ON orders (type, market_id);
CREATE INDEX index_orders_on_type_and_member_id ON orders (type, member_id);
CREATE INDEX index_orders_on_type_and_state_and_market_id ON orders (type, state, market_id);
CREATE INDEX index_orders_on_type_and_state_and_member_id ON orders (type, state, member_id);
CREATE INDEX index_orders_on_updated_at ON orders (updated_at);
