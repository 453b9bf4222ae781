-- Rebuilding beside serving: which fold made a build, which builds are being made, and since when
-- a build that was replaced answers no more.

SET LOCAL ROLE ledger_owner;

ALTER TABLE ledger.projection
    -- SHA-256 (hex) of the fold that made these rows; NULL until a projector has told it.
    ADD COLUMN fingerprint text,
    -- `ledger rebuild` makes this build, under a lead of its own; the projector leaves it alone.
    ADD COLUMN rebuilding  boolean NOT NULL DEFAULT false,
    -- Since when another build answers in its place; its tables are dropped some time after.
    ADD COLUMN retired_at  timestamptz,
    ADD CHECK (NOT (serving AND rebuilding)),
    ADD CHECK (NOT serving OR retired_at IS NULL);

-- Shapes were spelled with the rows' docstrings, which are no part of a shape, and which Python
-- 3.13 spells otherwise; '' is a shape that the next projector tells anew.
UPDATE ledger.projection SET shape = '';
