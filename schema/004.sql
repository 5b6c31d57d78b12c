-- SPDX-License-Identifier: MIT
--
-- A page of the newest reservations, without sorting all of a partition.

ALTER TABLE reservation ADD KEY newest (partition_id, created_at_us);
