-- SPDX-License-Identifier: MIT
--
-- Bulk runs, on the partition of their name: the run, and what became of its lines in blocks of 256.
-- A run's row stays for ever, so that its name is used once; the blocks go with the movements of
-- their time. run.state is RunState of holdfast.proto.

ALTER TABLE run
  ADD COLUMN blank INT UNSIGNED NOT NULL, -- lines without an operation
  ADD COLUMN undoes VARBINARY(64) NOT NULL, -- the run that it undoes; '' for none
  ADD COLUMN applied INT UNSIGNED NOT NULL,
  ADD COLUMN refused INT UNSIGNED NOT NULL,
  ADD COLUMN unknown INT UNSIGNED NOT NULL,
  ADD COLUMN changed_at_us BIGINT NOT NULL,
  ADD COLUMN version BIGINT UNSIGNED NOT NULL, -- seq of the last movement that touched it
  ADD KEY by_time (partition_id, created_at_us);

ALTER TABLE run_line
  DROP PRIMARY KEY,
  DROP COLUMN line,
  DROP COLUMN status,
  DROP COLUMN message,
  ADD COLUMN block INT UNSIGNED NOT NULL, -- lines 256 * block + 1 and so on
  ADD COLUMN created_at_us BIGINT NOT NULL, -- of the run
  ADD COLUMN version BIGINT UNSIGNED NOT NULL,
  ADD COLUMN detail MEDIUMBLOB NOT NULL, -- packed RecordRun with the lines that have a result
  ADD PRIMARY KEY (partition_id, run, block),
  ADD KEY by_time (partition_id, created_at_us);
