-- Like OpenCEX, the exchange in Django. Facts from github.com/Polygant/OpenCEX-backend,
-- core/models/orders, core/models/inouts/pair.py, core/consts/orders.py and lib/fields.py,
-- read 2026-11-28. The codes of its currencies are in its source; `core_currency` stands for them.
-- It matches its orders itself: `venue_order_id` is the column that a platform adds.
CREATE TABLE core_currency (id integer PRIMARY KEY, code varchar(16) NOT NULL UNIQUE);
CREATE TABLE core_pair (
    id serial PRIMARY KEY,
    base integer NOT NULL,
    quote integer NOT NULL
);
CREATE TABLE core_transaction (id bigserial PRIMARY KEY, reason integer NOT NULL);
INSERT INTO core_transaction (reason) VALUES (1);
CREATE TABLE core_order (
    id bigserial PRIMARY KEY,
    created timestamptz NOT NULL,
    updated timestamptz NOT NULL,
    user_id integer NOT NULL,
    name text,
    type smallint NOT NULL CHECK (type >= 0),
    operation smallint NOT NULL CHECK (operation >= 0),
    state smallint NOT NULL CHECK (state >= 0),
    status smallint NOT NULL CHECK (status >= 0),
    in_transaction_id bigint NOT NULL REFERENCES core_transaction DEFERRABLE INITIALLY DEFERRED,
    pair_id integer NOT NULL REFERENCES core_pair DEFERRABLE INITIALLY DEFERRED,
    executed boolean NOT NULL,
    quantity numeric(32, 8) NOT NULL,
    price numeric(32, 8),
    cost numeric(32, 8),
    price_ts timestamptz NOT NULL,
    quantity_left numeric(32, 8) NOT NULL,
    vwap numeric(32, 8) NOT NULL,
    otc_limit numeric(32, 8),
    otc_percent numeric(32, 8),
    stop numeric(32, 8),
    in_stack boolean NOT NULL,
    state_changed_at timestamptz,
    venue_order_id varchar(64)
);
CREATE INDEX core_order_user_id_idx ON core_order (user_id);
CREATE INDEX core_order_in_transaction_id_idx ON core_order (in_transaction_id);
CREATE INDEX core_order_pair_id_idx ON core_order (pair_id);
