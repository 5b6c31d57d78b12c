/* SPDX-License-Identifier: MIT
 *
 * common/config: what is taken, what is refused with which words, and that what is written reads
 * back. The list of keys is held against etc/cluster.schema.json.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"

#define HEAD "version: 1\nname: shop\n"
#define BROKERS                                                                                    \
    "brokers:\n  - client: ipc:///run/h/client\n    worker: ipc:///run/h/worker\n"                 \
    "    state: ipc:///run/h/state\n"
#define SHARDS                                                                                     \
    "partitions: 64\nshards:\n  - name: s1\n    user: holdfast\n    servers:\n"                    \
    "      - socket: /run/h/s1.sock\n"

static struct config config;
static char error[4096];

static bool parse(const char *text)
{
    return config_parse(&config, "cluster.yaml", text, strlen(text), error, sizeof error);
}

static void expect_good(const char *text)
{
    if (!parse(text))
        fail_msg("refused: %s\n%s", error, text);
}

/* The file is refused, and the message holds these words. */
static void expect_fault(const char *text, const char *words)
{
    if (parse(text))
        fail_msg("taken, though it should say \"%s\":\n%s", words, text);
    if (!strstr(error, words))
        fail_msg("expected \"%s\" in:\n%s", words, error);
}

static void test_a_whole_file(void **state)
{
    (void)state;
    expect_good(HEAD SHARDS BROKERS
                "views: []\nrelays: []\nsecurity: {}\nlimits: {rate: 100, clock_skew: 250ms}\n"
                "windows:\n  lease: 2m\n");
    assert_string_equal(config.name, "shop");
    assert_string_equal(config.region, "main");
    assert_int_equal(config.partitions, 64);
    assert_int_equal(config.shard_count, 1);
    assert_string_equal(config.shards[0].servers[0].socket, "/run/h/s1.sock");
    assert_string_equal(config.shards[0].database, "holdfast");
    assert_string_equal(config.shards[0].durability, "single");
    assert_string_equal(config.brokers[0].state, "ipc:///run/h/state");
    assert_int_equal(config.limits.rate_burst, 100);
    assert_int_equal(config.limits.clock_skew_ms, 250);
    assert_int_equal(config.limits.batch_operations, 256);
    assert_int_equal(config.windows.lease_ms, 120000);
    assert_int_equal(config.windows.retention_ms, UINT64_C(30) * 86400000);
}

static void test_a_clients_file_has_no_shards(void **state)
{
    (void)state;
    expect_good(HEAD "brokers: [{client: 'ipc:///run/h/client'}]\n");
    assert_int_equal(config.shard_count, 0);
}

static void test_unknown_and_doubled_keys(void **state)
{
    (void)state;
    expect_fault(HEAD "shard: []\n" BROKERS,
                 "cluster.yaml:3:1: error: unknown key \"shard\" (did you mean \"shards\"?)");
    expect_fault(HEAD BROKERS "limits:\n  wroker_credit: 5\n", "(did you mean \"worker_credit\"?)");
    expect_fault(HEAD BROKERS "limits:\n  zzz: 5\n",
                 "cluster.yaml:8:3: error: unknown key \"zzz\"");
    assert_null(strstr(error, "did you mean"));
    expect_fault(HEAD BROKERS "\"a\\nb\\e[1m\": 5\n", "unknown key \"a?b?[1m\"");
    expect_fault(HEAD "name: again\n" BROKERS,
                 "cluster.yaml:3:1: error: name is given twice, first in line 2");
    expect_fault(HEAD BROKERS "zz: {a: {b: [1, {c: d}]}}\nname: x\n", "name is given twice");
}

static void test_what_is_missing(void **state)
{
    (void)state;
    expect_fault("", "the file is empty");
    expect_fault("# only a comment\n", "the file is empty");
    expect_fault("version: 1\n", "lacks \"name\"");
    expect_fault("version: 1\n", "lacks \"brokers\"");
    expect_fault(HEAD "brokers: []\n", "brokers is empty");
    expect_fault(HEAD "brokers:\n  - worker: ipc:///w\n", "brokers lacks \"client\"");
    expect_fault(HEAD BROKERS "partitions: 3\n", "partitions and shards go together");
    expect_fault(HEAD SHARDS "brokers: [{client: 'ipc:///c'}]\n", "lacks worker or state");
    expect_fault(HEAD "brokers: [{client: 'ipc:///c', publish: 'ipc:///p'}]\n",
                 "publish needs changes");
    expect_fault(HEAD BROKERS "views: [{client: 'ipc:///run/h/client'}]\n", "is given twice");
    expect_fault(HEAD SHARDS BROKERS "views: [{client: 'ipc:///run/h/v1'}]\n",
                 "lacks publish and changes, which views need");
    expect_good(HEAD BROKERS "views: [{client: 'ipc:///v1'}, {client: 'ipc:///v2'}]\n");
    assert_int_equal(config.view_count, 2);
    assert_string_equal(config.views[1].client, "ipc:///v2");
    expect_fault(HEAD BROKERS "partitions: 1\nshards: [{name: a, user: u, servers: [{tls: true}]}]",
                 "a socket or a host");
    expect_fault(HEAD BROKERS "partitions: 1\nshards: [{name: a, servers: [{socket: /s}]}]",
                 "lacks a user");
}

static void test_values(void **state)
{
    static const struct {
        const char *line;
        const char *words;
    } cases[] = {
        {"limits: {rate: -1}", "rate must be a whole number"},
        {"limits: {rate: '5'}", "rate must be a whole number"},
        {"limits: {rate: 5x}", "rate must be a whole number"},
        {"limits: {rate: 99999999999999999999999}", "rate must be a whole number"},
        {"limits: {rate: [5]}", "rate takes one value"},
        {"limits: {rate: 4294967297}", "rate must be 0 to 10000000"},
        {"limits: {queue_operations: 1}", "queue_operations must be 2 to 1000000"},
        {"limits: {message_bytes: 4194305}", "message_bytes must be 1024 to 4194304"},
        {"limits: {queue_bytes: 4096}", "queue_bytes must be at least message_bytes"},
        {"limits: {rate_burst: 5}", "rate_burst needs a rate"},
        {"limits: 5", "limits must be `key: value` lines"},
        {"limits: {clock_skew: 5}", "clock_skew must be a duration"},
        {"limits: {clock_skew: 2h}", "clock_skew must be 1ms to 3600s"},
        {"windows: {heartbeat: 2s}", "lease must be at least two heartbeats"},
        {"windows: {retention: 6d}", "retention must be at least idempotency"},
        {"region: ' x'", "region begins or ends with a blank"},
        {"region: \"a\\tb\"", "region has a control character"},
        {"region: \"a\\0b\"", "region has a control character"},
        {"region: ''", "region is empty"},
        {"region:", "region is empty"},
        {"views: [a]", "views must be `key: value` lines"},
        {"views:", "views must be a list"},
        {"views: [{}]", "views lacks \"client\""},
        {"relays: [{a: b}]", "unknown key \"a\""},
        {"security: {keys: []}", "security is reserved, not built yet"},
        {"security: on", "security is reserved, not built yet"},
        {"region: &a main", "anchors (&name) are not taken"},
        {"region: !!str main", "tags (!name) are not taken"},
        {"? [a]\n: b", "a key must be a word"},
    };
    char text[1024];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(text, sizeof text, HEAD BROKERS "%s\n", cases[i].line);
        expect_fault(text, cases[i].words);
    }
    expect_fault("version: 2\nname: a\n" BROKERS, "version must be 1");
    expect_fault("version: 1\nname: &n a\nregion: *n\n" BROKERS, "aliases (*name) are not taken");
    expect_fault(HEAD BROKERS "---\nversion: 1\n", "a second document");
    expect_fault("- a\n", "must be `key: value` lines");
    expect_fault("just words\n", "must be `key: value` lines");
    expect_fault("a: [1\n", "not YAML");
}

static void test_endpoints_and_paths(void **state)
{
    char text[2048], path[256];

    (void)state;
    expect_fault(HEAD "brokers: [{client: 'tcp://*:5000'}]\n", "TCP needs keys");
    expect_fault(HEAD "brokers: [{client: 'ipc://run/x'}]\n",
                 "must be ipc:// and an absolute path");
    expect_fault(HEAD "brokers: [{client: 'ipc:///x', state: 'ipc:///x'}]\n", "is given twice");
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[108] = '\0';
    snprintf(text, sizeof text, HEAD "brokers: [{client: 'ipc://%s'}]\n", path);
    expect_fault(text, "whose path takes at most 107 bytes");
    path[107] = '\0';
    snprintf(text, sizeof text, HEAD "brokers: [{client: 'ipc://%s'}]\n", path);
    expect_good(text);
    expect_fault(HEAD BROKERS "partitions: 1\nshards: [{name: a, user: u, servers: [{socket: s}]}]",
                 "socket must be an absolute path");
    expect_fault(HEAD BROKERS "partitions: 1\nshards: [{name: ../a, user: u, servers: []}]",
                 "name may have letters");
}

static void test_all_faults_up_to_twenty(void **state)
{
    char text[4096] = HEAD BROKERS;
    size_t lines = 0;

    (void)state;
    for (int i = 0; i < 25; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "unknown%d: 1\n", i);
    assert_false(parse(text));
    for (const char *p = error; *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 20);
    assert_non_null(strstr(error, "and 5 more"));
    char small[16];
    assert_false(config_parse(&config, "c", text, strlen(text), small, sizeof small));
    assert_true(strlen(small) < sizeof small);
}

static void test_limits_of_the_file(void **state)
{
    size_t length = 300 * 1024;
    char *text = malloc(length);

    (void)state;
    memset(text, ' ', length);
    assert_false(config_parse(&config, "c", text, length, error, sizeof error));
    assert_non_null(strstr(error, "larger than"));
    memset(text, '[', 5000);
    assert_false(config_parse(&config, "c", text, 5000, error, sizeof error));
    free(text);

    char many[4096] = HEAD "brokers:\n";
    for (int i = 0; i < CONFIG_BROKERS_MAX + 2; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "  - client: ipc:///b%d\n", i);
    expect_fault(many, "brokers has more than 16 entries");
    assert_int_equal(config.broker_count, CONFIG_BROKERS_MAX);
}

static void test_durations(void **state)
{
    static const char *const bad[] = {"",   "5",    "s",    "5 s",  "-5s",
                                      "5S", "1.5s", "5sec", "0x5s", "9999999999999999999d"};
    uint64_t ms;

    (void)state;
    assert_true(config_duration("250ms", &ms) && ms == 250);
    assert_true(config_duration("2s", &ms) && ms == 2000);
    assert_true(config_duration("3m", &ms) && ms == 180000);
    assert_true(config_duration("4h", &ms) && ms == 14400000);
    assert_true(config_duration("30d", &ms) && ms == UINT64_C(2592000000));
    assert_true(config_duration("0s", &ms) && ms == 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(config_duration(bad[i], &ms));
}

static void test_written_reads_back(void **state)
{
    static struct config again;
    char path[] = "/tmp/holdfast-test-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    expect_good("version: 1\nname: \"a \\\"b\\\" \\\\ c: #d\"\nregion: ü\n" SHARDS
                "      - {host: db.example.org, port: 3307, tls: true}\n    durability: galera\n"
                "    password_file: /run/h/password\n  - name: s2\n    user: 'true'\n"
                "    servers: [{host: '10.0.0.1'}]\n" BROKERS
                "  - {client: 'ipc:///c2', worker: 'ipc:///w2', state: 'ipc:///s2', "
                "changes: 'ipc:///x2', publish: 'ipc:///p2'}\nviews: []\n"
                "limits: {rate: 9, rate_burst: 99, lines: 7, not_after: 90s}\n"
                "windows: {heartbeat: 1500ms, lease: 1h, idempotency: 2d, retention: 365d}\n");
    snprintf(config.brokers[0].publish, sizeof config.brokers[0].publish, "ipc:///p1");
    snprintf(config.brokers[0].changes, sizeof config.brokers[0].changes, "ipc:///x1");
    config.view_count = 1;
    snprintf(config.views[0].client, sizeof config.views[0].client, "ipc:///v \"1\"");
    assert_true(config_write(&config, path));
    assert_true(config_read(&again, path, error, sizeof error));
    assert_string_equal(again.path, path);
    memset(again.path, 0, sizeof again.path);
    assert_memory_equal(&again, &config, sizeof config);
    unlink(path);
    assert_false(config_read(&again, path, error, sizeof error));
    assert_non_null(strstr(error, "No such file"));
    assert_false(config_write(&config, "/nonexistent/x"));
}

static void test_find(void **state)
{
    char path[256];

    (void)state;
    setenv("HOLDFAST_CLUSTER", "/nonexistent/from-environment", 1);
    assert_false(config_find(NULL, path, sizeof path, error, sizeof error));
    assert_non_null(strstr(error, "/nonexistent/from-environment"));
    assert_false(config_find("/nonexistent/given", path, sizeof path, error, sizeof error));
    assert_non_null(strstr(error, "/nonexistent/given"));
    assert_null(strstr(error, "from-environment"));
    setenv("HOLDFAST_CLUSTER", "/dev/null", 1); /* -C "$EMPTY" is no other cluster */
    assert_false(config_find("", path, sizeof path, error, sizeof error));
    assert_non_null(strstr(error, "no cluster file: \"\""));
    assert_true(config_find("/dev/null", path, sizeof path, error, sizeof error));
    assert_string_equal(path, "/dev/null");
    assert_false(config_find("/dev/null", path, 3, error, sizeof error));
}

/* ------------------------------------------------------------- the schema */

static void collect(struct json_object *schema, const char *prefix, char paths[][128],
                    size_t *count)
{
    struct json_object *properties, *items;

    if (json_object_object_get_ex(schema, "items", &items)) {
        char inner[128];
        snprintf(inner, sizeof inner, "%s[]", prefix);
        collect(items, inner, paths, count);
        return;
    }
    if (!json_object_object_get_ex(schema, "properties", &properties))
        return;
    json_object_object_foreach(properties, name, value)
    {
        assert_true(*count < 128);
        char *path = paths[(*count)++];
        snprintf(path, 128, "%.60s%s%.60s", prefix, prefix[0] ? "." : "", name);
        collect(value, path, paths, count);
    }
}

static bool holds(char paths[][128], size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(paths[i], path) == 0)
            return true;
    }
    return false;
}

/* Run from the project's top, as `make unit` does. */
static void test_schema_and_parser_agree(void **state)
{
    static char in_schema[128][128], known[128][128];
    size_t schema_count = 0, count = 0;
    struct json_object *schema = json_object_from_file("etc/cluster.schema.json");

    (void)state;
    if (!schema)
        fail_msg("etc/cluster.schema.json: %s", json_util_get_last_err());
    collect(schema, "", in_schema, &schema_count);
    while (count < 128 && config_key(count, known[count], sizeof known[0]))
        count++;
    for (size_t i = 0; i < count; i++) {
        if (!holds(in_schema, schema_count, known[i]))
            fail_msg("etc/cluster.schema.json lacks %s", known[i]);
    }
    for (size_t i = 0; i < schema_count; i++) {
        if (!holds(known, count, in_schema[i]))
            fail_msg("the parser does not know %s of etc/cluster.schema.json", in_schema[i]);
    }
    json_object_put(schema);
}

static void test_the_example_is_good(void **state)
{
    (void)state;
    if (!config_read(&config, "etc/cluster.yaml", error, sizeof error))
        fail_msg("%s", error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_file),
        cmocka_unit_test(test_a_clients_file_has_no_shards),
        cmocka_unit_test(test_unknown_and_doubled_keys),
        cmocka_unit_test(test_what_is_missing),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_endpoints_and_paths),
        cmocka_unit_test(test_all_faults_up_to_twenty),
        cmocka_unit_test(test_limits_of_the_file),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_written_reads_back),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_schema_and_parser_agree),
        cmocka_unit_test(test_the_example_is_good),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
