-- A copy-trading service of its own making, put together from several public ones, read 2026-11-28:
-- uuids, base and quote in two columns, words of its own with a CHECK, what remains instead of what
-- is executed, times without a zone that a trigger keeps.
CREATE SCHEMA copy;
CREATE TABLE copy.followers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL
);
INSERT INTO copy.followers VALUES ('6a1f0000-0000-4000-8000-000000000001', 'first');
CREATE TABLE copy.copied_orders (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    follower_id uuid NOT NULL REFERENCES copy.followers ON DELETE CASCADE,
    base varchar(20) NOT NULL,
    quote varchar(10) NOT NULL,
    side varchar(4) NOT NULL CHECK (side IN ('buy', 'sell')),
    exchange_order_id varchar(64),
    quantity numeric(28, 10) NOT NULL CHECK (quantity > 0),
    quantity_remaining numeric(28, 10) NOT NULL,
    limit_price numeric(28, 10),
    average_price numeric(28, 10),
    state varchar(20) NOT NULL DEFAULT 'submitted' CHECK (state IN (
        'submitted', 'working', 'partly_done', 'done', 'withdrawn', 'refused', 'lapsed')),
    placed_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    changed_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    CHECK (quantity_remaining BETWEEN 0 AND quantity)
);
CREATE UNIQUE INDEX copied_orders_exchange_order_id
    ON copy.copied_orders (base, quote, exchange_order_id);
CREATE FUNCTION copy.set_changed_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_at = now() AT TIME ZONE 'UTC';
    RETURN NEW;
END $$;
CREATE TRIGGER set_changed_at BEFORE UPDATE ON copy.copied_orders
    FOR EACH ROW EXECUTE FUNCTION copy.set_changed_at();
