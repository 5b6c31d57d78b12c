/* SPDX-License-Identifier: MIT
 *
 * What the model database does when two workers are at it at once, when connections are killed or
 * idle, when a COMMIT is lost, late or unanswered, and when a server crashes, stops or comes back
 * older. 33-model holds outcomes against a real server; here is what needs time, and two ends.
 *
 * A script is the body of a process and says what it sees; the whole conversation is compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/simulate/chance.h"
#include "tests/simulate/model_impl.h"
#include "workers/store.h"
#include "workers/store_claims.h"

/* A process that is killed in here gives nothing back: that is no leak of the code's. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

#define SECOND 1000000
#define PARTITIONS 3u

static struct sim_counts counts;

static struct {
    struct model_server *server;
    struct config_shard shard;
    char said[2048];
} world;

/* ------------------------------------------------------------- scripts */

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    size_t used = strlen(world.said);
    va_list args;

    used += (size_t)snprintf(world.said + used, sizeof world.said - used, "%s ",
                             sim_self() ? sim_self()->name : "world");
    va_start(args, format);
    vsnprintf(world.said + used, sizeof world.said - used, format, args);
    va_end(args);
    strcat(world.said, "; ");
}

static const char *name_of(enum db_outcome outcome)
{
    static const char *const names[] = {"OK",         "MISMATCH", "AGAIN", "REPEATS",
                                        "NOT_WRITER", "LOST",     "FAILED"};
    return names[outcome];
}

static const char *write_name(enum store_outcome outcome)
{
    static const char *const names[] = {"DONE",      "FENCED", "STALE",   "AGAIN",      "REPEATS",
                                        "TOO_LARGE", "LOST",   "UNKNOWN", "NOT_WRITER", "FAILED"};
    return names[outcome];
}

static void wait_until(int64_t at_us)
{
    while (sim_now_us() < at_us)
        (void)sim_block(SIM_NET, at_us - sim_now_us());
}

/* A worker: claims are named by a byte. */
static struct store_owner owner_of(const char *name, int64_t lease_us)
{
    static uint8_t instances[2][UUID_BYTES] = {{0xa}, {0xb}};

    return (struct store_owner){
        .instance = instances[name[0] == 'b'], .name = name, .lease_us = lease_us};
}

static void connect_or_fail(struct db *db)
{
    int64_t server_us;

    db_init(db, &world.shard);
    sim_require(store_connect(db, &server_us), "no connection");
}

static enum db_outcome take(struct db *db, const char *name, uint32_t partition, uint64_t epoch,
                            uint8_t claim)
{
    struct store_owner owner = owner_of(name, 3600 * (int64_t)SECOND);
    struct store_claim wanted = {.partition = partition, .epoch = epoch, .claim_id = {claim}};
    struct store_taken taken;
    size_t count = 0;

    enum db_outcome outcome = store_take(db, &owner, &wanted, 1, &taken, &count);
    return outcome == DB_OK && count == 0 ? DB_MISMATCH : outcome;
}

/* One movement, and with it a level, changed from version `version` (0: it is new). */
static enum store_outcome write_level(struct db *db, uint64_t epoch, uint8_t claim, uint64_t seq,
                                      uint8_t operation, uint64_t version)
{
    uint8_t claim_id[16] = {claim};
    struct movement movement = {.seq = seq + 1, .operation_id = {operation}, .epoch = epoch};
    struct level level = {.now = {.on_hand = 1}, .version = seq + 1, .on_hand_version = seq + 1};
    struct level_change change = {.level = &level, .base_version = version, .is_new = version == 0};
    struct store_part part = {.epoch = epoch, .claim_id = claim_id};

    code_set(&level.sku, "S", 1);
    code_set(&level.warehouse, "W", 1);
    movement.sku = level.sku;
    movement.warehouse = level.warehouse;
    movement.after = level.now;
    part.changes = (struct changes){.base_seq = seq,
                                    .last_seq = seq + 1,
                                    .movements = &movement,
                                    .movement_count = 1,
                                    .levels = &change,
                                    .level_count = 1};
    return store_write(db, &part, 1, SECOND);
}

/* ------------------------------------------------------------- the world's side */

static const struct model_partition *committed(uint32_t partition)
{
    struct model_key key = model_key_of_partition(partition);

    return model_read(&world.server->tables[MODEL_PARTITION], &key, NULL);
}

static uint64_t committed_epoch(uint32_t partition)
{
    return committed(partition)->epoch;
}

static uint8_t committed_claim(uint32_t partition)
{
    return committed(partition)->claim_id[0];
}

static void begin(uint64_t seed)
{
    chance_program("test_model");
    chance_count_into(&counts);
    sim_reset(seed);
    model_begin();
    memset(&world, 0, sizeof world);
    world.server = model_server_new(sim_process_new("server", SIM_SERVER, 0), "model");
    for (uint32_t p = 0; p < PARTITIONS; p++)
        model_server_hold(world.server, p);
    model_server_start(world.server);
    world.shard.server_count = 1;
    strcpy(world.shard.servers[0].socket, "model");
}

/* Runs scripts a and b (which may be NULL) for so long. */
static void play(sim_body *a, sim_body *b, int64_t until_us)
{
    sim_start(sim_process_new("a", SIM_WORKER, 0), a, NULL);
    if (b)
        sim_start(sim_process_new("b", SIM_WORKER, 1), b, NULL);
    sim_run(until_us, NULL);
}

/* ------------------------------------------------------------- one after another */

static void writes(void *argument)
{
    struct db db;

    (void)argument;
    connect_or_fail(&db);
    say("take %s", name_of(take(&db, "a", 0, 0, 1)));
    say("commit %s", name_of(db_commit(&db)));
    say("new %s", write_name(write_level(&db, 1, 1, 0, 7, 0)));
    say("old epoch %s", write_name(write_level(&db, 0, 1, 1, 8, 1)));
    say("other claim %s", write_name(write_level(&db, 1, 2, 1, 8, 1)));
    say("old seq %s", write_name(write_level(&db, 1, 1, 0, 8, 1)));
    say("used id %s", write_name(write_level(&db, 1, 1, 1, 7, 1)));
    say("old version %s", write_name(write_level(&db, 1, 1, 1, 8, 9)));
    say("right %s", write_name(write_level(&db, 1, 1, 1, 8, 1)));
}

static void test_writes(void **state)
{
    (void)state;
    begin(1);
    play(writes, NULL, 10 * SECOND);
    assert_string_equal(world.said,
                        "a take OK; a commit OK; a new DONE; a old epoch FENCED; a other claim "
                        "FENCED; a old seq FENCED; a used id REPEATS; a old version STALE; a right "
                        "DONE; ");
    assert_int_equal(committed(0)->last_seq, 2);
}

/* ------------------------------------------------------------- locks */

static void holds_for_half_a_second(void *argument)
{
    struct db db;

    (void)argument;
    connect_or_fail(&db);
    say("take %s", name_of(take(&db, "a", 0, 0, 1)));
    wait_until(SECOND);
    say("commit %s", name_of(db_commit(&db)));
}

static void comes_second(void *argument)
{
    struct db db;

    (void)argument;
    wait_until(SECOND / 2);
    connect_or_fail(&db);
    say("take %s", name_of(take(&db, "b", 0, 0, 2)));
    db_rollback(&db);
}

static void test_waits(void **state)
{
    (void)state;
    begin(1);
    play(holds_for_half_a_second, comes_second, 10 * SECOND);
    /* It waited, and then the row was another one. Who hears first is chance. */
    if (strcmp(world.said, "a take OK; b take MISMATCH; a commit OK; ") != 0)
        assert_string_equal(world.said, "a take OK; a commit OK; b take MISMATCH; ");
}

static void holds_for_three_seconds(void *argument)
{
    struct db db;

    (void)argument;
    connect_or_fail(&db);
    say("take %s", name_of(take(&db, "a", 0, 0, 1)));
    wait_until(3 * SECOND);
    say("rollback");
    db_rollback(&db);
    wait_until(9 * SECOND);
}

static void gives_up_and_comes_again(void *argument)
{
    struct db db;

    (void)argument;
    wait_until(SECOND / 2);
    connect_or_fail(&db);
    int64_t begun_us = sim_now_us();
    say("take %s", name_of(take(&db, "b", 0, 0, 2)));
    int64_t took_us = sim_now_us() - begun_us;
    say("%s", took_us >= SECOND && took_us < SECOND + SECOND / 10 ? "after a second" : "?");
    db_rollback(&db);
    wait_until(4 * SECOND);
    say("take %s", name_of(take(&db, "b", 0, 0, 2)));
    say("commit %s", name_of(db_commit(&db)));
}

static void test_lock_wait_ends(void **state)
{
    (void)state;
    begin(1);
    play(holds_for_three_seconds, gives_up_and_comes_again, 10 * SECOND);
    assert_string_equal(world.said, "a take OK; b take AGAIN; b after a second; a rollback; b take "
                                    "OK; b commit OK; ");
    assert_int_equal(committed_epoch(0), 1);
}

static enum db_outcome offset(struct db *db, uint32_t partition, uint8_t claim)
{
    struct store_offset offset = {.partition = partition, .claim_id = {claim}, .offset_us = 5};

    return store_offsets(db, &offset, 1);
}

static void first_of_a_circle(void *argument)
{
    struct db db;

    (void)argument;
    connect_or_fail(&db);
    say("take %s", name_of(take(&db, "a", 0, 0, 1)));
    wait_until(SECOND);
    say("other %s", name_of(offset(&db, 1, 2)));
    say("commit %s", name_of(db_commit(&db)));
}

static void second_of_a_circle(void *argument)
{
    struct db db;

    (void)argument;
    connect_or_fail(&db);
    wait_until(SECOND / 2);
    say("take %s", name_of(take(&db, "b", 1, 0, 2)));
    wait_until(SECOND + SECOND / 2);
    say("other %s", name_of(offset(&db, 0, 1)));
    db_rollback(&db);
}

static void test_deadlock(void **state)
{
    (void)state;
    begin(1);
    play(first_of_a_circle, second_of_a_circle, 10 * SECOND);
    assert_string_equal(world.said, "a take OK; b take OK; b other AGAIN; a other OK; a commit "
                                    "OK; ");
    assert_int_equal(committed_epoch(0), 1);
    assert_int_equal(committed_epoch(1), 0);
}

/* ------------------------------------------------------------- ends of connections */

static unsigned long a_thread;

static void is_killed(void *argument)
{
    struct db db;

    (void)argument;
    connect_or_fail(&db);
    a_thread = db.thread_id;
    say("take %s", name_of(take(&db, "a", 0, 0, 1)));
    wait_until(2 * SECOND);
    say("commit %s", name_of(db_commit(&db)));
    say("%s", db_connected(&db) ? "?" : "not connected");
}

static void kills(void *argument)
{
    struct db db;

    (void)argument;
    connect_or_fail(&db);
    wait_until(SECOND);
    store_kill(&db, 4711); /* nobody; that is no error */
    store_kill(&db, a_thread);
    say("take %s", name_of(take(&db, "b", 0, 0, 2)));
    say("commit %s", name_of(db_commit(&db)));
}

static void test_kill(void **state)
{
    (void)state;
    begin(1);
    play(is_killed, kills, 10 * SECOND);
    /* The lock was waited for until the killed one had been rolled back. */
    assert_string_equal(world.said, "a take OK; b take OK; b commit OK; a commit LOST; a not "
                                    "connected; ");
}

static void falls_asleep(void *argument)
{
    struct db db;

    (void)argument;
    connect_or_fail(&db);
    say("take %s", name_of(take(&db, "a", 0, 0, 1)));
    wait_until(8 * SECOND);
    say("commit %s", name_of(db_commit(&db)));
}

static void wants_it_before_and_after(void *argument)
{
    struct db db;

    (void)argument;
    wait_until(4 * SECOND);
    connect_or_fail(&db);
    say("take %s", name_of(take(&db, "b", 0, 0, 2)));
    db_rollback(&db);
    wait_until(7 * SECOND);
    say("take %s", name_of(take(&db, "b", 0, 0, 2)));
    db_rollback(&db);
}

static void test_wait_timeout(void **state)
{
    (void)state;
    begin(1);
    play(falls_asleep, wants_it_before_and_after, 20 * SECOND);
    assert_string_equal(world.said, "a take OK; b take AGAIN; b take OK; a commit LOST; ");
}

static void kill_a(void *argument)
{
    (void)argument;
    sim_kill(sim_process_at(1));
}

static void test_client_dies(void **state)
{
    (void)state;
    unsigned free_at_once = 0;

    for (uint64_t seed = 1; seed <= 40; seed++) {
        begin(seed);
        sim_post((struct sim_ref){0}, SECOND, kill_a, NULL);
        play(falls_asleep, wants_it_before_and_after, 20 * SECOND);
        /* Its kernel closes the connection, unless the machine is gone. */
        if (strstr(world.said, "b take OK; b take OK"))
            free_at_once++;
        else
            assert_string_equal(world.said, "a take OK; b take AGAIN; b take OK; ");
    }
    assert_in_range(free_at_once, 30, 39);
}

/* ------------------------------------------------------------- COMMIT */

static enum sim_fault commit_fault;

static void commits(void *argument)
{
    struct db db;

    (void)argument;
    connect_or_fail(&db);
    (void)take(&db, "a", 0, 0, 1);
    chance_switch(commit_fault, 1000);
    say("%s", name_of(db_commit(&db)));
    chance_switch(commit_fault, 0);
    say("epoch %llu", (unsigned long long)committed_epoch(0));
    wait_until(20 * SECOND);
}

/* Plays commits() in many seeds: in those in which the fault came, this is what was said, and the
 * epoch in the end. */
static void play_commits(enum sim_fault fault, const char *said, uint64_t epoch)
{
    unsigned came = 0;

    commit_fault = fault;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint64_t before = counts.faults[fault];
        begin(seed);
        play(commits, NULL, 20 * SECOND);
        bool comes = counts.faults[fault] > before;
        came += comes;
        assert_string_equal(world.said, comes ? said : "a OK; a epoch 1; ");
        assert_int_equal(committed_epoch(0), comes ? epoch : 1);
    }
    assert_in_range(came, 10, 50);
}

static void test_commit_lost(void **state)
{
    (void)state;
    play_commits(SIM_FAULT_COMMIT_LOST, "a LOST; a epoch 0; ", 0);
}

static void test_commit_without_answer(void **state)
{
    (void)state;
    play_commits(SIM_FAULT_COMMIT_ANSWER_LOST, "a LOST; a epoch 1; ", 1);
}

/* It comes in the end, or after the server has waited for too long. */
static void test_commit_late(void **state)
{
    unsigned came[2] = {0, 0};

    (void)state;
    commit_fault = SIM_FAULT_COMMIT_LATE;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        begin(seed);
        play(commits, NULL, 20 * SECOND);
        if (strcmp(world.said, "a OK; a epoch 1; ") == 0)
            continue;
        /* The look after it may be before it or behind it. */
        if (strcmp(world.said, "a LOST; a epoch 1; ") == 0)
            assert_int_equal(committed_epoch(0), 1);
        else
            assert_string_equal(world.said, "a LOST; a epoch 0; ");
        came[committed_epoch(0)]++;
    }
    assert_true(came[0] > 0);
    assert_true(came[1] > came[0]);
}

static void claims_after_all(void *argument)
{
    struct db db;

    (void)argument;
    while (!strstr(world.said, "LOST")) {
        if (strstr(world.said, "OK"))
            return;
        (void)sim_block(SIM_NET, 10000);
    }
    connect_or_fail(&db);
    store_kill(&db, a_thread);
    say("take %s", name_of(take(&db, "b", 0, 0, 2)));
    say("commit %s", name_of(db_commit(&db)));
}

static void commits_late(void *argument)
{
    struct db db;

    (void)argument;
    connect_or_fail(&db);
    a_thread = db.thread_id;
    (void)take(&db, "a", 0, 0, 1);
    chance_switch(SIM_FAULT_COMMIT_LATE, 1000);
    say("%s", name_of(db_commit(&db)));
    chance_switch(SIM_FAULT_COMMIT_LATE, 0);
    wait_until(20 * SECOND);
}

/* Once the connection was killed, a COMMIT that is still on its way is nobody's; one that came
 * before is seen by whoever waited for the row. */
static void test_commit_late_after_kill(void **state)
{
    unsigned before = 0, after = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        begin(seed);
        play(commits_late, claims_after_all, 20 * SECOND);
        if (strcmp(world.said, "a OK; ") == 0)
            continue;
        bool came = strcmp(world.said, "a LOST; b take MISMATCH; b commit OK; ") == 0;
        if (!came)
            assert_string_equal(world.said, "a LOST; b take OK; b commit OK; ");
        ++*(came ? &before : &after);
        assert_int_equal(committed_epoch(0), 1);
        assert_int_equal(committed_claim(0), came ? 1 : 2);
    }
    assert_true(before > 0 && after > 0);
}

/* ------------------------------------------------------------- servers */

static void crash(void *argument)
{
    (void)argument;
    say("crash");
    sim_kill(world.server->process);
}

static void start_again(void *argument)
{
    (void)argument;
    model_server_start(world.server);
}

static void lives_through_a_crash(void *argument)
{
    struct db db;

    (void)argument;
    connect_or_fail(&db);
    unsigned long thread = db.thread_id;
    say("take %s", name_of(take(&db, "a", 0, 0, 1)));
    say("commit %s", name_of(db_commit(&db)));
    say("take %s", name_of(take(&db, "a", 1, 0, 1)));
    wait_until(3 * SECOND);
    say("commit %s", name_of(db_commit(&db)));
    connect_or_fail(&db);
    say("%s", db.thread_id == thread ? "the same id" : "?");
    say("take %s", name_of(take(&db, "a", 0, 1, 3)));
    say("commit %s", name_of(db_commit(&db)));
}

static void test_server_crashes(void **state)
{
    (void)state;
    begin(1);
    sim_post((struct sim_ref){0}, SECOND, crash, NULL);
    sim_post((struct sim_ref){0}, 2 * SECOND, start_again, NULL);
    play(lives_through_a_crash, NULL, 10 * SECOND);
    assert_string_equal(world.said, "a take OK; a commit OK; a take OK; world crash; a commit "
                                    "LOST; a the same id; a take OK; a commit OK; ");
    assert_int_equal(committed_epoch(0), 2);
    assert_int_equal(committed_epoch(1), 0);
}

static struct model_image *image;

static void take_image(void *argument)
{
    (void)argument;
    image = model_image_take(world.server);
}

static void restore(void *argument)
{
    (void)argument;
    sim_kill(world.server->process);
    model_server_restore(world.server, image);
    model_server_start(world.server);
}

static void writes_and_writes(void *argument)
{
    struct db db;

    (void)argument;
    connect_or_fail(&db);
    (void)take(&db, "a", 0, 0, 1);
    (void)db_commit(&db);
    say("write %s", write_name(write_level(&db, 1, 1, 0, 7, 0)));
    wait_until(2 * SECOND);
    say("write %s", write_name(write_level(&db, 1, 1, 1, 8, 1)));
    wait_until(4 * SECOND);
    connect_or_fail(&db);
    say("write %s", write_name(write_level(&db, 1, 1, 2, 9, 2)));
    say("again %s", write_name(write_level(&db, 1, 1, 1, 8, 1)));
}

static void test_server_comes_back_older(void **state)
{
    (void)state;
    begin(1);
    sim_post((struct sim_ref){0}, SECOND, take_image, NULL);
    sim_post((struct sim_ref){0}, 3 * SECOND, restore, NULL);
    play(writes_and_writes, NULL, 10 * SECOND);
    assert_string_equal(world.said, "a write DONE; a write DONE; a write FENCED; a again DONE; ");
    model_image_release(&image);
}

static void stop_server(void *argument)
{
    (void)argument;
    sim_pause(world.server->process);
}

static void continue_server(void *argument)
{
    (void)argument;
    sim_resume(world.server->process);
}

static void commits_at_a_stopped_server(void *argument)
{
    struct db db;

    (void)argument;
    connect_or_fail(&db);
    say("take %s", name_of(take(&db, "a", 0, 0, 1)));
    wait_until(2 * SECOND);
    say("commit %s", name_of(db_commit(&db)));
    say("at %lld s", (long long)(sim_now_us() / SECOND));
}

static void test_server_stops(void **state)
{
    (void)state;
    begin(1);
    sim_post((struct sim_ref){0}, SECOND, stop_server, NULL);
    sim_post((struct sim_ref){0}, 6 * SECOND, continue_server, NULL);
    play(commits_at_a_stopped_server, NULL, 5 * SECOND);
    assert_string_equal(world.said, "a take OK; a commit LOST; a at 4 s; ");
    assert_int_equal(committed_epoch(0), 0);
    sim_run(10 * SECOND, NULL); /* what had arrived is done */
    assert_int_equal(committed_epoch(0), 1);
}

static void looks_twice(void *argument)
{
    struct store_owner owner = owner_of("b", SECOND);
    struct store_look look;
    struct db db;

    (void)argument;
    connect_or_fail(&db);
    (void)take(&db, "a", 0, 0, 1);
    (void)db_commit(&db);
    for (int i = 1; i <= 2; i++) {
        wait_until(i * SECOND);
        say("look %s", name_of(store_look(&db, &owner, NULL, 0, &look)));
        say("%s", look.seen[0].free ? "free" : "not free");
        store_look_release(&look);
        world.server->process->clock.wall_base_us += 7200 * (int64_t)SECOND;
    }
}

static void test_clock_jumps(void **state)
{
    (void)state;
    begin(1);
    play(looks_twice, NULL, 10 * SECOND);
    assert_string_equal(world.said, "a look OK; a not free; a look OK; a free; ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_lock_wait_ends),
        cmocka_unit_test(test_deadlock),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_wait_timeout),
        cmocka_unit_test(test_client_dies),
        cmocka_unit_test(test_commit_lost),
        cmocka_unit_test(test_commit_without_answer),
        cmocka_unit_test(test_commit_late),
        cmocka_unit_test(test_commit_late_after_kill),
        cmocka_unit_test(test_server_crashes),
        cmocka_unit_test(test_server_comes_back_older),
        cmocka_unit_test(test_server_stops),
        cmocka_unit_test(test_clock_jumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
