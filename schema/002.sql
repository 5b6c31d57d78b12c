-- SPDX-License-Identifier: MIT
--
-- For the relay: what a movement announces, and who serves a subscription.

-- What this movement brought about, decided with it: bit (Signal of holdfast.proto) − 1.
ALTER TABLE movement ADD COLUMN signals TINYINT UNSIGNED NOT NULL DEFAULT 0;

-- A subscription's row lies on the shard XXH3-64(name) mod their number. One relay at a time serves
-- it: the epoch, raised whenever one takes it over, is the fence of everything that is written for
-- it, and the lease says only when another may try.
ALTER TABLE subscription
  ADD COLUMN epoch          BIGINT UNSIGNED NOT NULL DEFAULT 0,
  ADD COLUMN endpoint       VARBINARY(255)  NOT NULL DEFAULT '', -- of its relay; '': given up
  ADD COLUMN instance       BINARY(16)      NOT NULL DEFAULT '', -- of the relay's process
  ADD COLUMN lease_until_us BIGINT          NOT NULL DEFAULT 0;

-- Positions lie with their partitions.
ALTER TABLE subscription_position
  ADD COLUMN epoch     BIGINT UNSIGNED NOT NULL DEFAULT 0, -- of the relay that wrote it
  ADD COLUMN lost_from BIGINT UNSIGNED NULL; -- history_lost: it had been given up to here
