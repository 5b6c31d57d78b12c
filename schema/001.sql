-- SPDX-License-Identifier: MIT
--
-- The tables of one shard. Forward only: a change is a new numbered file, never an edit of this one.
-- Applied by `holdfast up` (schema/apply.c); runs on MariaDB 10.11 and MySQL 9.7.
--
-- Codes (sku, warehouse, reason, …) are VARBINARY: 'a' = 'a ' holds under every utf8mb4 collation.
-- Times are microseconds since the epoch. Hot tables have no foreign keys.

-- One row per partition that this shard holds or has held. The fence of every batch is an UPDATE of
-- this row: epoch, claim_id and last_seq must be what the writer believes.
CREATE TABLE `partition` (
  partition_id   SMALLINT UNSIGNED NOT NULL,
  epoch          BIGINT UNSIGNED   NOT NULL DEFAULT 0,  -- raised by every claim
  claim_id       BINARY(16)        NOT NULL DEFAULT '', -- random, drawn by every claim
  owner          VARBINARY(64)     NOT NULL DEFAULT '', -- worker's name; '' when handed over
  instance       BINARY(16)        NOT NULL DEFAULT '', -- of the owner's process
  connection_id  BIGINT UNSIGNED   NOT NULL DEFAULT 0,  -- the owner's, for the next claimer to KILL
  lease_until_us BIGINT            NOT NULL DEFAULT 0,  -- liveness and balance only
  last_seq       BIGINT UNSIGNED   NOT NULL DEFAULT 0,  -- of the partition's last movement
  clock_high_us  BIGINT            NOT NULL DEFAULT 0,  -- highest time used in a batch
  clock_offset_us BIGINT           NOT NULL DEFAULT 0,  -- added to the server's clock
  pruned_seq     BIGINT UNSIGNED   NOT NULL DEFAULT 0,  -- movements up to here are pruned
  placement      BIGINT UNSIGNED   NOT NULL DEFAULT 1,  -- raised by every move between shards
  moved_to       VARBINARY(64)     NULL,                -- shard; set: unclaimable for ever
  PRIMARY KEY (partition_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Which claim wrote a movement: (partition_id, epoch) → claim_id. A reader whose claim is not here
-- has seen a tail that the server lost.
CREATE TABLE claim (
  partition_id  SMALLINT UNSIGNED NOT NULL,
  epoch         BIGINT UNSIGNED   NOT NULL,
  claim_id      BINARY(16)        NOT NULL,
  first_seq     BIGINT UNSIGNED   NOT NULL, -- last_seq at the claim, plus 1
  owner         VARBINARY(64)     NOT NULL,
  claimed_at_us BIGINT            NOT NULL,
  PRIMARY KEY (partition_id, epoch)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The workers of this shard that are alive: each takes its share of the partitions.
CREATE TABLE worker (
  instance       BINARY(16)    NOT NULL,
  name           VARBINARY(64) NOT NULL,
  lease_until_us BIGINT        NOT NULL,
  PRIMARY KEY (instance)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The region's facts, equal on every shard. One row.
CREATE TABLE region (
  name           VARBINARY(64)     NOT NULL,
  partitions     SMALLINT UNSIGNED NOT NULL,
  created_at_us  BIGINT            NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The ledger: numbered per partition without gaps, in commit order; never changed, pruned from the
-- front. The rows of one operation are consecutive and idx counts them from 0. Row 0 carries the
-- hash of the operation's canonical body. The result of an operation is a function of its rows.
CREATE TABLE movement (
  partition_id  SMALLINT UNSIGNED NOT NULL,
  seq           BIGINT UNSIGNED   NOT NULL,
  operation_id  BINARY(16)        NOT NULL,
  idx           SMALLINT UNSIGNED NOT NULL,
  kind          TINYINT UNSIGNED  NOT NULL, -- MovementKind of holdfast.proto
  epoch         BIGINT UNSIGNED   NOT NULL, -- of the claim that wrote it
  at_us         BIGINT            NOT NULL,
  body_hash     VARBINARY(16)     NOT NULL, -- idx 0: XXH3-128 of the canonical body; otherwise ''
  sku           VARBINARY(64)     NOT NULL, -- '' where the record has none
  warehouse     VARBINARY(64)     NOT NULL,
  prev          BIGINT UNSIGNED   NOT NULL, -- seq of the level's (or record's) previous movement; 0: none
  d_on_hand     INT               NOT NULL,
  d_reserved    INT               NOT NULL,
  d_committed   INT               NOT NULL,
  d_unavailable INT               NOT NULL,
  on_hand       INT UNSIGNED      NOT NULL, -- balances after
  reserved      INT UNSIGNED      NOT NULL,
  committed     INT UNSIGNED      NOT NULL,
  unavailable   INT UNSIGNED      NOT NULL,
  safety_stock  INT UNSIGNED      NOT NULL,
  reorder_point INT UNSIGNED      NOT NULL,
  shortfall     INT UNSIGNED      NOT NULL,
  on_hand_version BIGINT UNSIGNED NOT NULL, -- after
  reservation_id VARBINARY(10)    NOT NULL, -- '' where there is none
  line          SMALLINT UNSIGNED NOT NULL, -- of the reservation, from 0
  state         TINYINT UNSIGNED  NOT NULL, -- ReservationState after the operation; 0: no reservation
  revision      INT UNSIGNED      NOT NULL, -- of the reservation after the operation
  expires_at_us BIGINT            NOT NULL, -- of the reservation after the operation
  -- the reservation's line after the operation
  l_quantity    INT UNSIGNED      NOT NULL,
  l_reserved    INT UNSIGNED      NOT NULL,
  l_committed   INT UNSIGNED      NOT NULL,
  l_shipped     INT UNSIGNED      NOT NULL,
  l_cancelled   INT UNSIGNED      NOT NULL,
  l_released    INT UNSIGNED      NOT NULL,
  l_returned    INT UNSIGNED      NOT NULL,
  order_ref     VARBINARY(64)     NOT NULL,
  reason        VARBINARY(64)     NOT NULL,
  reference     VARBINARY(64)     NOT NULL,
  note          VARBINARY(255)    NOT NULL,
  actor         VARBINARY(64)     NOT NULL,
  principal     VARBINARY(64)     NOT NULL,
  undoes        BIGINT UNSIGNED   NOT NULL,
  trace         VARBINARY(64)     NOT NULL,
  detail        BLOB              NULL,     -- put_*: the packed record as put
  PRIMARY KEY (partition_id, seq),
  UNIQUE KEY once (partition_id, operation_id, idx),
  CONSTRAINT movement_covered
    CHECK (CAST(reserved AS SIGNED) + committed + unavailable <= CAST(on_hand AS SIGNED) + shortfall)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE stock_level (
  partition_id  SMALLINT UNSIGNED NOT NULL,
  sku           VARBINARY(64)     NOT NULL,
  warehouse     VARBINARY(64)     NOT NULL,
  on_hand       INT               NOT NULL,
  reserved      INT               NOT NULL,
  committed     INT               NOT NULL,
  unavailable   INT               NOT NULL,
  safety_stock  INT               NOT NULL,
  reorder_point INT               NOT NULL,
  shortfall     INT               NOT NULL,
  version       BIGINT UNSIGNED   NOT NULL, -- seq of the last movement that touched it
  on_hand_version BIGINT UNSIGNED NOT NULL, -- seq of the last that changed on_hand
  PRIMARY KEY (partition_id, sku, warehouse),
  CONSTRAINT level_not_negative CHECK (on_hand >= 0 AND reserved >= 0 AND committed >= 0
    AND unavailable >= 0 AND safety_stock >= 0 AND reorder_point >= 0 AND shortfall >= 0),
  CONSTRAINT level_covered CHECK (reserved + committed + unavailable <= on_hand + shortfall)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The header of a reservation, on its home partition.
CREATE TABLE reservation (
  partition_id   SMALLINT UNSIGNED NOT NULL,
  reservation_id BINARY(10)        NOT NULL,
  operation_id   BINARY(16)        NOT NULL, -- of the reserve
  state          TINYINT UNSIGNED  NOT NULL, -- ReservationState
  revision       INT UNSIGNED      NOT NULL, -- raised by every decision
  expires_at_us  BIGINT            NOT NULL,
  created_at_us  BIGINT            NOT NULL,
  order_ref      VARBINARY(64)     NOT NULL,
  actor          VARBINARY(64)     NOT NULL,
  PRIMARY KEY (partition_id, reservation_id),
  KEY due (partition_id, state, expires_at_us),
  KEY by_order (order_ref, partition_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE reservation_line (
  partition_id   SMALLINT UNSIGNED NOT NULL, -- of the header
  reservation_id BINARY(10)        NOT NULL,
  line           SMALLINT UNSIGNED NOT NULL, -- from 0
  level_partition SMALLINT UNSIGNED NOT NULL, -- of the sku; another than the header's has a leg
  sku            VARBINARY(64)     NOT NULL,
  warehouse      VARBINARY(64)     NOT NULL,
  quantity       INT NOT NULL,
  reserved       INT NOT NULL,
  committed      INT NOT NULL,
  shipped        INT NOT NULL,
  cancelled      INT NOT NULL,
  released       INT NOT NULL,
  returned       INT NOT NULL,
  PRIMARY KEY (partition_id, reservation_id, line),
  KEY by_sku (partition_id, sku),
  CONSTRAINT line_not_negative CHECK (reserved >= 0 AND committed >= 0 AND shipped >= 0
    AND cancelled >= 0 AND released >= 0 AND returned >= 0),
  CONSTRAINT line_adds_up
    CHECK (reserved + committed + shipped + cancelled + released = quantity AND returned <= shipped)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- What another partition's reservation holds here, as a whole target at a revision. Reserved for
-- orders across partitions (docs/roadmap.md).
CREATE TABLE leg (
  partition_id   SMALLINT UNSIGNED NOT NULL, -- of the sku
  reservation_id BINARY(10)        NOT NULL,
  line           SMALLINT UNSIGNED NOT NULL,
  home           SMALLINT UNSIGNED NOT NULL, -- partition of the header
  sku            VARBINARY(64)     NOT NULL,
  warehouse      VARBINARY(64)     NOT NULL,
  revision       INT UNSIGNED      NOT NULL,
  reserved       INT NOT NULL,
  committed      INT NOT NULL,
  shipped        INT NOT NULL,
  returned       INT NOT NULL,
  asked_at_us    BIGINT            NOT NULL,
  PRIMARY KEY (partition_id, reservation_id, line)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE item (
  partition_id  SMALLINT UNSIGNED NOT NULL,
  sku           VARBINARY(64)     NOT NULL,
  name          VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  reorder_point INT UNSIGNED      NOT NULL,
  version       BIGINT UNSIGNED   NOT NULL, -- seq of the movement that put it
  PRIMARY KEY (partition_id, sku)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE barcode (
  barcode       VARBINARY(64)     NOT NULL,
  partition_id  SMALLINT UNSIGNED NOT NULL,
  sku           VARBINARY(64)     NOT NULL,
  PRIMARY KEY (barcode),
  KEY by_item (partition_id, sku)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Warehouses and reasons belong to partition 0 and are copied to every shard. version: the seq of
-- the movement in partition 0; a copy is written only where it is higher.
CREATE TABLE warehouse (
  code     VARBINARY(64)   NOT NULL,
  name     VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  version  BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (code)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE reason (
  code     VARBINARY(64)   NOT NULL,
  name     VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  version  BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (code)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Balances per level as of a sequence, written before movements up to it are pruned.
CREATE TABLE checkpoint (
  partition_id  SMALLINT UNSIGNED NOT NULL,
  sku           VARBINARY(64)     NOT NULL,
  warehouse     VARBINARY(64)     NOT NULL,
  seq           BIGINT UNSIGNED   NOT NULL, -- balances are those after this movement
  on_hand       INT NOT NULL,
  reserved      INT NOT NULL,
  committed     INT NOT NULL,
  unavailable   INT NOT NULL,
  PRIMARY KEY (partition_id, sku, warehouse)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Named durable subscriptions of the relay, and how far each has acknowledged. 002.sql has more.
CREATE TABLE subscription (
  name          VARBINARY(64) NOT NULL,
  created_at_us BIGINT        NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE subscription_position (
  name          VARBINARY(64)     NOT NULL,
  partition_id  SMALLINT UNSIGNED NOT NULL,
  seq           BIGINT UNSIGNED   NOT NULL, -- acknowledged up to here
  claim_id      BINARY(16)        NOT NULL,
  PRIMARY KEY (name, partition_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Bulk runs, on the partition of their name. 003.sql has more, and other columns of run_line.
CREATE TABLE run (
  partition_id  SMALLINT UNSIGNED NOT NULL,
  run           VARBINARY(64)     NOT NULL,
  file_hash     BINARY(32)        NOT NULL, -- the run's digest: SHA-256
  state         TINYINT UNSIGNED  NOT NULL,
  line_count    INT UNSIGNED      NOT NULL,
  actor         VARBINARY(64)     NOT NULL,
  created_at_us BIGINT            NOT NULL,
  PRIMARY KEY (partition_id, run)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE run_line (
  partition_id  SMALLINT UNSIGNED NOT NULL,
  run           VARBINARY(64)     NOT NULL,
  line          INT UNSIGNED      NOT NULL, -- from 1
  status        SMALLINT UNSIGNED NOT NULL, -- wire code
  message       VARBINARY(255)    NOT NULL,
  PRIMARY KEY (partition_id, run, line)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
