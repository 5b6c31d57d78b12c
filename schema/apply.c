/* SPDX-License-Identifier: MIT
 *
 * Applies the numbered SQL files, one recorded statement at a time. See apply.h.
 *
 * It never runs a statement that is not in one of the files beside this one, and never drops
 * anything.
 */
#include "schema/apply.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/clock.h"

#define HASH_HEX_BYTES 33

/* ------------------------------------------------------------- the files */

#define EMBED(symbol, path)                                                                        \
    __asm__(".section .rodata\n"                                                                   \
            ".hidden " #symbol "\n.global " #symbol "\n" #symbol ":\n"                             \
            ".incbin \"" path "\"\n"                                                               \
            ".hidden " #symbol "_end\n.global " #symbol "_end\n" #symbol "_end:\n"                 \
            ".byte 0\n.previous\n");                                                               \
    extern const char symbol[];                                                                    \
    extern const char symbol##_end[]

EMBED(schema_001, "schema/001.sql");
EMBED(schema_002, "schema/002.sql");
EMBED(schema_003, "schema/003.sql");
EMBED(schema_004, "schema/004.sql");

static const struct file {
    const char *text, *end;
} files[] = {
    {schema_001, schema_001_end},
    {schema_002, schema_002_end},
    {schema_003, schema_003_end},
    {schema_004, schema_004_end},
};
_Static_assert(sizeof files / sizeof files[0] == SCHEMA_VERSION, "a file for every version");

const char *schema_file(unsigned number, size_t *length)
{
    if (number < 1 || number > SCHEMA_VERSION)
        return NULL;
    *length = (size_t)(files[number - 1].end - files[number - 1].text);
    return files[number - 1].text;
}

/* ------------------------------------------------------------- statements */

/* The length of the comment that begins at p, or 0. `--` needs a blank after it, as in MySQL. */
static size_t comment_length(const char *p, size_t left)
{
    const char *end = NULL;
    if (left >= 2 && p[0] == '-' && p[1] == '-' && (left == 2 || (unsigned char)p[2] <= ' '))
        end = memchr(p, '\n', left);
    else if (left >= 2 && p[0] == '/' && p[1] == '*') {
        end = memmem(p + 2, left - 2, "*/", 2);
        end = end ? end + 2 : NULL;
    } else
        return 0;
    return end ? (size_t)(end - p) : left;
}

/* The length of the quoted text that begins at p, both quotes included. A doubled quote is two
 * quoted texts side by side, which comes to the same. */
static size_t quoted_length(const char *p, size_t left)
{
    const char *end = memchr(p + 1, p[0], left - 1);
    return end ? (size_t)(end - p) + 1 : left;
}

bool schema_statement(const char *text, size_t length, size_t *offset, char *statement,
                      size_t *statement_length)
{
    size_t used = 0, i = *offset;
    bool blank = false, ended = false;

    while (i < length && !ended) {
        size_t comment = comment_length(text + i, length - i);
        if (comment > 0 || (unsigned char)text[i] <= ' ') {
            i += comment > 0 ? comment : 1;
            blank = true;
            continue;
        }
        if (text[i] == ';') {
            i++;
            ended = used > 0;
            continue;
        }
        if (blank && used > 0)
            statement[used++] = ' ';
        blank = false;
        size_t take = strchr("'\"`", text[i]) ? quoted_length(text + i, length - i) : 1;
        memcpy(statement + used, text + i, take);
        used += take;
        i += take;
    }
    *offset = i;
    *statement_length = used;
    return used > 0;
}

static void hash_hex(const char *text, size_t length, char hex[HASH_HEX_BYTES])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(text, length));
    for (size_t i = 0; i < sizeof canonical.digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", canonical.digest[i]);
}

/* ------------------------------------------------------------- talking to the server */

struct run {
    MYSQL *mysql;
    unsigned applied;
    char *error;
    size_t error_bytes;
};

static bool failed(struct run *run, const char *what)
{
    snprintf(run->error, run->error_bytes, "%s: %s (error %u)", what, mysql_error(run->mysql),
             mysql_errno(run->mysql));
    return false;
}

static bool query(struct run *run, const char *text)
{
    return mysql_real_query(run->mysql, text, strlen(text)) == 0;
}

/* The first row of an answer, columns joined by a tab, into line ("" for no row and for NULL). */
static bool query_line(struct run *run, const char *text, char *line, size_t line_bytes)
{
    line[0] = '\0';
    if (!query(run, text))
        return false;
    MYSQL_RES *result = mysql_store_result(run->mysql);
    if (!result)
        return false;
    MYSQL_ROW row = mysql_fetch_row(result);
    size_t used = 0;
    for (unsigned i = 0; row && i < mysql_num_fields(result) && used < line_bytes; i++)
        used += (size_t)snprintf(line + used, line_bytes - used, "%s%s", i > 0 ? "\t" : "",
                                 row[i] ? row[i] : "");
    mysql_free_result(result);
    return true;
}

/* ------------------------------------------------------------- applying */

/* statement 0 stands for the whole file, and is written last. */
static const char sql_version_table[] =
    "CREATE TABLE IF NOT EXISTS schema_version ("
    " number SMALLINT UNSIGNED NOT NULL, statement SMALLINT UNSIGNED NOT NULL,"
    " hash BINARY(16) NOT NULL, done TINYINT NOT NULL, at_us BIGINT NOT NULL,"
    " PRIMARY KEY (number, statement)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";

enum progress {
    PROGRESS_NONE,  /* never begun */
    PROGRESS_BEGUN, /* may have taken effect: the server or we died in it */
    PROGRESS_DONE,
    PROGRESS_FAILED, /* run->error says why */
};

static enum progress read_progress(struct run *run, unsigned number, unsigned statement,
                                   const char *hash)
{
    char text[160], line[64];
    snprintf(text, sizeof text,
             "SELECT done, LOWER(HEX(hash)) FROM schema_version WHERE number=%u AND statement=%u",
             number, statement);
    if (!query_line(run, text, line, sizeof line)) {
        failed(run, "could not read schema_version");
        return PROGRESS_FAILED;
    }
    if (line[0] == '\0')
        return PROGRESS_NONE;
    if (strcmp(line + 2, hash) != 0) {
        snprintf(run->error, run->error_bytes,
                 "statement %u of schema file %03u was applied with another text than this "
                 "program has",
                 statement, number);
        return PROGRESS_FAILED;
    }
    return line[0] == '1' ? PROGRESS_DONE : PROGRESS_BEGUN;
}

static bool write_progress(struct run *run, unsigned number, unsigned statement, const char *hash,
                           bool done)
{
    char text[256];
    snprintf(text, sizeof text,
             "INSERT INTO schema_version (number, statement, hash, done, at_us)"
             " VALUES (%u, %u, x'%s', %d, %lld) ON DUPLICATE KEY UPDATE done=%d",
             number, statement, hash, done, (long long)clock_wall_us(), done);
    return query(run, text) || failed(run, "could not write schema_version");
}

/* What a statement that was begun says when it had taken effect before. */
static bool means_done(unsigned error)
{
    static const unsigned codes[] = {ER_TABLE_EXISTS_ERROR, ER_DUP_FIELDNAME, ER_DUP_KEYNAME,
                                     ER_CANT_DROP_FIELD_OR_KEY};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i] == error)
            return true;
    }
    return false;
}

static bool apply_statement(struct run *run, unsigned number, unsigned index, const char *text,
                            size_t length)
{
    char hash[HASH_HEX_BYTES], what[64];

    hash_hex(text, length, hash);
    enum progress progress = read_progress(run, number, index, hash);
    if (progress == PROGRESS_FAILED || progress == PROGRESS_DONE)
        return progress == PROGRESS_DONE;
    if (progress == PROGRESS_NONE && !write_progress(run, number, index, hash, false))
        return false;
    if (mysql_real_query(run->mysql, text, length) != 0 &&
        !(progress == PROGRESS_BEGUN && means_done(mysql_errno(run->mysql)))) {
        snprintf(what, sizeof what, "statement %u of schema file %03u", index, number);
        return failed(run, what);
    }
    run->applied++;
    return write_progress(run, number, index, hash, true);
}

static bool apply_file(struct run *run, unsigned number)
{
    size_t length, offset = 0, statement_length;
    const char *text = schema_file(number, &length);
    char *statement = malloc(length);
    char hash[HASH_HEX_BYTES];
    XXH3_state_t *whole = XXH3_createState();
    unsigned index = 0;
    bool good = statement && whole;

    if (good)
        XXH3_128bits_reset(whole);
    else
        snprintf(run->error, run->error_bytes, "out of memory");
    while (good && schema_statement(text, length, &offset, statement, &statement_length)) {
        XXH3_128bits_update(whole, statement, statement_length);
        good = apply_statement(run, number, ++index, statement, statement_length);
    }
    if (good) {
        XXH128_canonical_t canonical;
        XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(whole));
        for (size_t i = 0; i < sizeof canonical.digest; i++)
            snprintf(hash + 2 * i, 3, "%02x", canonical.digest[i]);
        enum progress progress = read_progress(run, number, 0, hash);
        good = progress == PROGRESS_DONE ||
               (progress != PROGRESS_FAILED && write_progress(run, number, 0, hash, true));
    }
    XXH3_freeState(whole);
    free(statement);
    return good;
}

/* A newer program was here: its tables are not ours to judge. */
static bool check_not_newer(struct run *run)
{
    char line[32];
    if (!query_line(run, "SELECT COALESCE(MAX(number), 0) FROM schema_version", line, sizeof line))
        return failed(run, "could not read schema_version");
    unsigned long there = strtoul(line, NULL, 10);
    if (there <= SCHEMA_VERSION)
        return true;
    snprintf(run->error, run->error_bytes,
             "the database has schema version %lu, and this program knows only up to %u: use a "
             "newer holdfast",
             there, SCHEMA_VERSION);
    return false;
}

bool schema_apply(MYSQL *mysql, unsigned *applied, char *error, size_t error_bytes)
{
    struct run run = {.mysql = mysql, .error = error, .error_bytes = error_bytes};
    char line[32], text[96];

    snprintf(text, sizeof text, "SELECT GET_LOCK('holdfast.schema', %d)", SCHEMA_LOCK_SECONDS);
    if (!query_line(&run, text, line, sizeof line))
        return failed(&run, "could not take the schema lock");
    if (strcmp(line, "1") != 0) {
        snprintf(error, error_bytes, "another schema apply holds the lock for over %d s",
                 SCHEMA_LOCK_SECONDS);
        return false;
    }
    bool good = query(&run, sql_version_table) || failed(&run, "could not create schema_version");
    good = good && check_not_newer(&run);
    for (unsigned number = 1; good && number <= SCHEMA_VERSION; number++)
        good = apply_file(&run, number);
    (void)query_line(&run, "SELECT RELEASE_LOCK('holdfast.schema')", line, sizeof line);
    if (applied)
        *applied = run.applied;
    return good;
}

/* ------------------------------------------------------------- placing partitions */

static bool insert_partitions(struct run *run, uint32_t partitions, uint32_t shard_index,
                              uint32_t shard_count)
{
    static const char head[] = "INSERT INTO `partition` (partition_id) VALUES ";
    size_t bytes = sizeof head + (size_t)(partitions / shard_count + 1) * sizeof "(65535),";
    char *text = malloc(bytes);

    if (!text) {
        snprintf(run->error, run->error_bytes, "out of memory");
        return false;
    }
    size_t used = (size_t)snprintf(text, bytes, "%s", head);
    for (uint32_t p = shard_index; p < partitions; p += shard_count)
        used += (size_t)snprintf(text + used, bytes - used, "(%u),", p);
    text[used - 1] = '\0'; /* the last comma */
    bool good = shard_index >= partitions || query(run, text);
    free(text);
    return good || failed(run, "could not write the partitions");
}

/* Adds the region's row if there is none; *first says whether this call did. */
static bool insert_region(struct run *run, const char *region, uint32_t partitions, bool *first)
{
    char name[2 * 64 + 1], text[320];

    mysql_real_escape_string(run->mysql, name, region, strlen(region));
    snprintf(text, sizeof text,
             "INSERT INTO region (name, partitions, created_at_us)"
             " SELECT '%s', %u, %lld FROM (SELECT COUNT(*) AS n FROM region FOR UPDATE) AS r"
             " WHERE r.n = 0",
             name, partitions, (long long)clock_wall_us());
    if (!query(run, text))
        return failed(run, "could not write the region");
    *first = mysql_affected_rows(run->mysql) == 1;
    return true;
}

static bool check_placed(struct run *run, const char *region, uint32_t partitions,
                         uint32_t shard_index, uint32_t shard_count)
{
    char line[192], text[256], expected[192];

    if (!query_line(run, "SELECT partitions, name FROM region", line, sizeof line))
        return failed(run, "could not read the region");
    snprintf(expected, sizeof expected, "%u\t%s", partitions, region);
    if (strcmp(line, expected) != 0) {
        snprintf(run->error, run->error_bytes,
                 "the database belongs to a region of %lu partitions named \"%s\", not to one of "
                 "%u named \"%s\"",
                 strtoul(line, NULL, 10), line + strcspn(line, "\t") + 1, partitions, region);
        return false;
    }
    /* Moves apart (placement above 1), the rows are those that p mod shard_count gives. */
    snprintf(text, sizeof text,
             "SELECT COUNT(*) FROM `partition` WHERE placement = 1 AND partition_id %% %u <> %u",
             shard_count, shard_index);
    if (!query_line(run, text, line, sizeof line))
        return failed(run, "could not read the partitions");
    if (strcmp(line, "0") == 0)
        return true;
    snprintf(run->error, run->error_bytes,
             "the database holds %s partitions that do not lie on shard %u of %u: it was made for "
             "another number of shards",
             line, shard_index + 1, shard_count);
    return false;
}

bool schema_place(MYSQL *mysql, const char *region, uint32_t partitions, uint32_t shard_index,
                  uint32_t shard_count, char *error, size_t error_bytes)
{
    struct run run = {.mysql = mysql, .error = error, .error_bytes = error_bytes};
    bool first = false;

    if (!query(&run, "START TRANSACTION"))
        return failed(&run, "could not begin a transaction");
    bool good = insert_region(&run, region, partitions, &first) &&
                (!first || insert_partitions(&run, partitions, shard_index, shard_count)) &&
                check_placed(&run, region, partitions, shard_index, shard_count);
    if (good && !query(&run, "COMMIT"))
        good = failed(&run, "could not commit the partitions");
    if (!good)
        (void)query(&run, "ROLLBACK");
    return good;
}

/* ------------------------------------------------------------- checking */

bool schema_check(MYSQL *mysql, char *error, size_t error_bytes)
{
    struct run run = {.mysql = mysql, .error = error, .error_bytes = error_bytes};
    char line[64];
    unsigned newest, whole, open;

    if (!query_line(&run,
                    "SELECT COALESCE(MAX(number), 0),"
                    " COALESCE(MAX(CASE WHEN statement = 0 THEN number END), 0),"
                    " COALESCE(SUM(done = 0), 0) FROM schema_version",
                    line, sizeof line)) {
        if (mysql_errno(mysql) != ER_NO_SUCH_TABLE)
            return failed(&run, "could not read schema_version");
        snprintf(error, error_bytes, "the database has no schema yet: apply it first");
        return false;
    }
    if (sscanf(line, "%u\t%u\t%u", &newest, &whole, &open) != 3)
        newest = whole = open = 0;
    if (newest == SCHEMA_VERSION && whole == newest && open == 0)
        return true;
    if (newest > SCHEMA_VERSION)
        snprintf(error, error_bytes,
                 "the database has schema version %u, newer than this program's %u: use a newer "
                 "holdfast",
                 newest, SCHEMA_VERSION);
    else if (whole < newest || open > 0)
        snprintf(error, error_bytes,
                 "schema version %u is applied only in part: apply it again, it goes on from there",
                 newest);
    else
        snprintf(error, error_bytes,
                 "the database has schema version %u, older than this program's %u: apply the "
                 "schema first",
                 newest, SCHEMA_VERSION);
    return false;
}
