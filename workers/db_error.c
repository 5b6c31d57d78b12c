/* SPDX-License-Identifier: MIT
 *
 * What a server's error number means for the transaction that met it.
 */
#include <errmsg.h>

#include "workers/db.h"

/* Numbers that are not here are DB_FAILED. */
static const struct {
    unsigned number;
    enum db_outcome outcome;
} outcomes[] = {
    {1213, DB_AGAIN},      /* deadlock */
    {1205, DB_AGAIN},      /* lock wait timeout: only the statement was rolled back */
    {1020, DB_AGAIN},      /* record changed since the snapshot */
    {3101, DB_AGAIN},      /* group replication rolled back */
    {1062, DB_REPEATS},    /* duplicate key */
    {1406, DB_REPEATS},    /* data too long */
    {1264, DB_REPEATS},    /* out of range */
    {1690, DB_REPEATS},    /* the same of what is reckoned */
    {1366, DB_REPEATS},    /* no value for the column */
    {1644, DB_REPEATS},    /* SIGNAL, as a trigger refuses a row */
    {3819, DB_REPEATS},    /* CHECK, MySQL */
    {4025, DB_REPEATS},    /* CHECK, MariaDB */
    {1047, DB_NOT_WRITER}, /* wsrep: not ready */
    {1290, DB_NOT_WRITER}, /* read only */
    {1836, DB_NOT_WRITER}, /* read only, temporarily */
    {1053, DB_LOST},       /* the server shuts down */
    {1317, DB_LOST},       /* interrupted: by KILL, as a new owner does */
    {1927, DB_LOST},       /* connection was killed */
    {4031, DB_LOST},       /* MySQL: closed because it was idle for too long */
    {CR_SERVER_GONE_ERROR, DB_LOST},
    {CR_SERVER_LOST, DB_LOST},
    {CR_COMMANDS_OUT_OF_SYNC, DB_LOST}, /* our own fault: start over */
};

enum db_outcome db_outcome_of(unsigned number)
{
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
        if (outcomes[i].number == number)
            return outcomes[i].outcome;
    }
    return DB_FAILED;
}
