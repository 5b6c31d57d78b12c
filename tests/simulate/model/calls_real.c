/* SPDX-License-Identifier: MIT
 *
 * calls.h against a server: calls_real SOCKET USER PASSWORD_FILE DATABASE FROM SEEDS STEPS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulate/model/calls.h"
#include "workers/db_sql.h"

static const char empty[] =
    "DELETE FROM `partition`;DELETE FROM claim;DELETE FROM worker;DELETE FROM movement;DELETE FROM "
    "stock_level;DELETE FROM reservation;DELETE FROM reservation_line;DELETE FROM item;DELETE FROM "
    "barcode;DELETE FROM warehouse;DELETE FROM reason;DELETE FROM checkpoint;DELETE FROM run;"
    "DELETE FROM run_line;INSERT INTO `partition` (partition_id) VALUES (0),(1),(2),(3)";

/* In the order of their keys, columns as calls_model.c prints them. */
static const char *const dumps[] = {
    "SELECT 'partition',partition_id,epoch,HEX(claim_id),HEX(owner),HEX(instance),connection_id<>0,"
    "last_seq,clock_high_us,clock_offset_us,pruned_seq FROM `partition` ORDER BY 2",
    "SELECT 'claim',partition_id,epoch,HEX(claim_id),first_seq,HEX(owner) FROM claim ORDER BY 2,3",
    "SELECT 'worker',HEX(instance),HEX(name) FROM worker ORDER BY instance",
    "SELECT 'movement',partition_id,seq,HEX(operation_id),idx,kind,epoch,at_us,HEX(body_hash),"
    "HEX(sku),HEX(warehouse),prev,d_on_hand,d_reserved,d_committed,d_unavailable,on_hand,reserved,"
    "committed,unavailable,safety_stock,reorder_point,shortfall,on_hand_version,"
    "HEX(reservation_id),line,state,revision,expires_at_us,l_quantity,l_reserved,l_committed,"
    "l_shipped,l_cancelled,l_released,l_returned,HEX(order_ref),HEX(reason),HEX(reference),"
    "HEX(note),HEX(actor),HEX(principal),undoes,HEX(trace),HEX(COALESCE(detail,'')),signals FROM "
    "movement "
    "ORDER BY 2,3",
    "SELECT 'stock_level',partition_id,HEX(sku),HEX(warehouse),on_hand,reserved,committed,"
    "unavailable,safety_stock,reorder_point,shortfall,version,on_hand_version FROM stock_level "
    "ORDER BY partition_id,sku,warehouse",
    "SELECT 'reservation',partition_id,HEX(reservation_id),HEX(operation_id),state,revision,"
    "expires_at_us,created_at_us,HEX(order_ref),HEX(actor) FROM reservation ORDER BY "
    "partition_id,reservation_id",
    "SELECT 'reservation_line',partition_id,HEX(reservation_id),line,HEX(sku),HEX(warehouse),"
    "quantity,reserved,committed,shipped,cancelled,released,returned FROM reservation_line ORDER "
    "BY partition_id,reservation_id,line",
    "SELECT 'item',partition_id,HEX(sku),HEX(name),reorder_point,version FROM item ORDER BY "
    "partition_id,sku",
    "SELECT 'barcode',HEX(barcode),partition_id,HEX(sku) FROM barcode t ORDER BY t.barcode",
    "SELECT 'warehouse',HEX(code),HEX(name),version FROM warehouse ORDER BY code",
    "SELECT 'reason',HEX(code),HEX(name),version FROM reason ORDER BY code",
    "SELECT 'checkpoint',partition_id,HEX(sku),HEX(warehouse),seq,on_hand,reserved,committed,"
    "unavailable FROM checkpoint ORDER BY partition_id,sku,warehouse",
    "SELECT 'run',partition_id,HEX(run),HEX(file_hash),line_count,blank,HEX(actor),created_at_us,"
    "HEX(undoes),state,applied,refused,unknown,changed_at_us,version FROM run t ORDER BY "
    "partition_id,t.run",
    "SELECT 'run_line',partition_id,HEX(run),block,created_at_us,version,HEX(detail) FROM "
    "run_line t ORDER BY partition_id,t.run,block",
};

static bool print_rows(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    MYSQL_ROW row;

    (void)context;
    (void)statement;
    (void)affected;
    while (rows && (row = mysql_fetch_row(rows)) != NULL) {
        for (unsigned c = 0; c < mysql_num_fields(rows); c++)
            printf("%s%s", c ? "|" : "", row[c]);
        printf("\n");
    }
    return true;
}

static void must_run(struct db *db, const char *text)
{
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, text);
    if (db_run(db, &sql, print_rows, NULL) != DB_OK) {
        fprintf(stderr, "%s: %s\n", text, db_error(db));
        exit(1);
    }
    sql_release(&sql);
}

int main(int argc, char **argv)
{
    static struct config_shard shard = {.name = "real", .server_count = 1};
    struct db db;

    if (argc != 8)
        return 64;
    snprintf(shard.servers[0].socket, sizeof shard.servers[0].socket, "%s", argv[1]);
    snprintf(shard.user, sizeof shard.user, "%s", argv[2]);
    snprintf(shard.password_file, sizeof shard.password_file, "%s", argv[3]);
    snprintf(shard.database, sizeof shard.database, "%s", argv[4]);
    uint64_t from = strtoull(argv[5], NULL, 10), seeds = strtoull(argv[6], NULL, 10);
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        db_init(&db, &shard);
        if (!db_connect(&db)) {
            fprintf(stderr, "%s\n", db_error(&db));
            return 1;
        }
        must_run(&db, empty);
        printf("seed %llu\n", (unsigned long long)seed);
        db_close(&db);
        calls_run(&shard, seed, (unsigned)atoi(argv[7]));
        if (!db_connect(&db))
            return 1;
        for (size_t i = 0; i < sizeof dumps / sizeof dumps[0]; i++)
            must_run(&db, dumps[i]);
        db_close(&db);
    }
    return 0;
}
