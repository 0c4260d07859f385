"""Orders, their events, idempotency keys, dead letters and the simulated chain."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ORDERS = """
CREATE TABLE orders (
    -- sorts by time, so that one index serves every page; C collation: byte order, no locale
    id                      text COLLATE "C" PRIMARY KEY,
    user_id                 text NOT NULL,
    wallet_address          text NOT NULL,
    input_token             text NOT NULL,
    output_token            text NOT NULL,
    side                    text NOT NULL CHECK (side IN ('buy', 'sell')),
    amount                  numeric(20, 0) NOT NULL CHECK (amount > 0),
    slippage_bps            integer NOT NULL CHECK (slippage_bps BETWEEN 0 AND 10000),
    client_order_id         text,
    status                  text NOT NULL CHECK (status IN
                              ('pending', 'routing', 'building', 'submitted', 'confirmed', 'failed', 'cancelled')),
    attempt                 smallint NOT NULL,
    sequence                integer NOT NULL,
    route                   jsonb,
    venue                   text,
    signature               text,
    transaction_expires_at  timestamptz,
    fill_amount_in          numeric(40, 0),
    fill_amount_out         numeric(40, 0),
    fill_fee                numeric(40, 0),
    error_code              text,
    error_message           text,
    error_retryable         boolean,
    created_at              timestamptz NOT NULL,
    updated_at              timestamptz NOT NULL,
    -- who works on it: every write of a worker names the token, so that a zombie writes nothing
    lease_token             uuid,
    lease_expires_at        timestamptz,
    next_attempt_at         timestamptz,
    -- when reconcile should look, unless somebody moved the order by then; null once nothing is left to do
    attention_at            timestamptz,
    CONSTRAINT signature_with_expiry CHECK ((signature IS NULL) = (transaction_expires_at IS NULL)),
    CONSTRAINT confirmed_has_fill CHECK (status <> 'confirmed' OR fill_amount_out IS NOT NULL),
    CONSTRAINT failed_has_reason CHECK (status <> 'failed' OR error_code IS NOT NULL)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX orders_client_order_id ON orders (user_id, client_order_id) WHERE client_order_id IS NOT NULL;
CREATE INDEX orders_by_user ON orders (user_id, id DESC);
CREATE INDEX orders_by_status ON orders (status, id DESC);
CREATE INDEX orders_attention ON orders (attention_at) WHERE attention_at IS NOT NULL;
"""

EVENTS = """
CREATE TABLE order_events (
    order_id     text COLLATE "C" NOT NULL REFERENCES orders,
    sequence     integer NOT NULL CHECK (sequence > 0),
    status       text NOT NULL,
    attempt      smallint NOT NULL,
    message      text NOT NULL,
    meta         jsonb NOT NULL,
    occurred_at  timestamptz NOT NULL,
    PRIMARY KEY (order_id, sequence)
);
"""

IDEMPOTENCY = """
CREATE TABLE idempotency_keys (
    user_id      text NOT NULL,
    key          text NOT NULL,
    fingerprint  text NOT NULL,
    order_id     text COLLATE "C" NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
"""

DEAD_LETTERS = """
CREATE TABLE dead_letters (
    message_id     text PRIMARY KEY,
    order_id       text COLLATE "C",
    body           text NOT NULL,
    receive_count  integer NOT NULL,
    verdict        text NOT NULL,
    arrived_at     timestamptz NOT NULL DEFAULT now(),
    redriven_at    timestamptz
);
CREATE INDEX dead_letters_arrival ON dead_letters (arrived_at DESC);
"""

# Stands for Solana: keyed by signature, so that the same transaction submitted twice lands once.
CHAIN = """
CREATE TABLE chain_transactions (
    signature     text PRIMARY KEY,
    order_id      text COLLATE "C" NOT NULL,
    attempt       smallint NOT NULL,
    venue         text NOT NULL,
    submissions   integer NOT NULL DEFAULT 1,
    outcome       text NOT NULL CHECK (outcome IN ('settles', 'reverts', 'dropped', 'expired')),
    reason        text,
    amount_in     numeric(40, 0),
    amount_out    numeric(40, 0),
    fee           numeric(40, 0),
    submitted_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    lands_at      timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL
);
CREATE INDEX chain_transactions_order ON chain_transactions (order_id);
"""


def upgrade() -> None:
    for statements in (ORDERS, EVENTS, IDEMPOTENCY, DEAD_LETTERS, CHAIN):
        op.execute(statements)


def downgrade() -> None:
    op.execute("DROP TABLE chain_transactions, dead_letters, idempotency_keys, order_events, orders")
