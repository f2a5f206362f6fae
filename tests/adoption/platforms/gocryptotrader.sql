-- Like gocryptotrader, the trading engine in Go. Facts from github.com/thrasher-corp/gocryptotrader,
-- database/migrations/20190926105945_order_event, read 2026-11-28. The table says nothing of what
-- is executed: `executed_amount` is the column that a platform adds.
CREATE TABLE client (id uuid PRIMARY KEY, client_name varchar(255) NOT NULL);
INSERT INTO client VALUES ('0b6dd5a1-94e8-4d3c-8a7f-1f5f9c5c6a01', 'main');
CREATE TABLE order_event (
    id bigserial PRIMARY KEY NOT NULL,
    exchange_order_id varchar(255) NOT NULL,
    client_id uuid NOT NULL REFERENCES client (id),
    exchange varchar(255) NOT NULL,
    currency_pair varchar(255) NOT NULL,
    asset_type varchar(255) NOT NULL,
    order_type varchar(255) NOT NULL,
    order_side varchar(255) NOT NULL,
    order_status varchar(255) NOT NULL,
    amount double precision NOT NULL,
    price double precision NOT NULL,
    updated_at timestamp NOT NULL,
    created_at timestamp NOT NULL DEFAULT now(),
    executed_amount double precision NOT NULL DEFAULT 0
);
