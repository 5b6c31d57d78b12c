/* SPDX-License-Identifier: MIT
 *
 * One simulated cluster: its configuration drawn from the seed, its processes, what is done to
 * them, and what must hold. One seed is:
 *
 *   begin           draws everything, starts servers, brokers, workers, clients
 *   preamble        client 0 puts items, warehouses, reasons and the first stock, without faults
 *   workload        clients work, faults happen
 *   calm            faults stop; everybody is there again; every operation must become certain
 *   end             history and tables are judged
 *
 *   world.c         configuration, the phases, starting again what died, what must hold after every
 *                   commit and at the end
 *   world_faults.c  faults by time
 *   client.c        the body of a client: the real core, and a caller with notes
 *   workload.c      what callers want; bulk.c: of runs and undos; count.c: of count lists
 *   reading.c       what callers ask
 *   broker.c        the body of a broker: the real dispatch
 */
#ifndef TESTS_SIMULATE_WORLD_H
#define TESTS_SIMULATE_WORLD_H

#include "client/holdfast.h"
#include "common/config.h"
#include "protocol/ids.h"
#include "tests/simulate/model_db.h"
#include "tests/simulate/sim.h"
#include "tests/simulate/worker.h"

#define WORLD_BROKERS_MAX 3u
#define WORLD_WORKERS_MAX 4u
#define WORLD_CLIENTS_MAX 8u
#define WORLD_SHARDS_MAX 2u
#define WORLD_SKUS_MAX 6u
#define WORLD_WAREHOUSES_MAX 3u
#define WORLD_REASONS 2u
#define WORLD_LINES_MAX 3u
#define WORLD_RUNS_MAX 6u
#define WORLD_RUN_LINES 4u
#define WORLD_DONE_MAX 64u
#define READINGS_SHARE 4u /* operations for each reading */
#define WORLD_KINDS 40u   /* above every enum holdfast_operation_kind */

enum phase {
    PHASE_PREAMBLE,
    PHASE_WORKLOAD,
    PHASE_CALM,
    PHASE_OVER,
};

/* ------------------------------------------------------------- what callers want */

/* What a caller knows of an operation id. */
enum note_state {
    NOTE_NEW,     /* never handed to the library */
    NOTE_SENT,    /* handed over, no result yet */
    NOTE_LATER,   /* not certain, or worth another try: again at again_us */
    NOTE_CERTAIN, /* applied or not; nobody asks again */
};

struct job;

/* One operation that a caller wants, with everything that it points to. In the world's memory: a
 * client that is killed finds it again. */
struct note {
    struct note *next;      /* of the same client, newest first */
    struct note *next_open; /* the same, without those that were certain when it was looked at */
    enum note_state state;
    struct holdfast_operation operation;
    char id[UUID_TEXT_BYTES];
    char settles[UUID_TEXT_BYTES];
    char reservation[RESERVATION_TEXT_BYTES];
    char order[16];
    char undone[UUID_TEXT_BYTES];
    struct holdfast_line lines[WORLD_LINES_MAX];
    const char *warehouses[WORLD_WAREHOUSES_MAX];
    const char *barcodes[2];
    int64_t timeout_us;
    int64_t again_us;  /* true time */
    uint32_t calls;    /* how often it was handed over */
    uint16_t attempts; /* that may have been sent */
    uint64_t call;     /* of the history, while NOTE_SENT */
    bool applied;
    bool must;               /* of the preamble: asked again until it is applied */
    bool kills;              /* its worker, whenever it is written, while there are faults */
    int64_t effect_until_us; /* true time: nothing of it may begin after it */
    struct note *settled_by; /* the newest settle of this id */
    struct note *asked_for;  /* of a settle: what it settles */
    struct job *job;         /* that it is part of: then bulk.c hears the result; or NULL … */
    size_t job_line;         /* … and of which of its lines it is */
    uint32_t generation;     /* of the line's id */
    bool was_done;           /* … and the line was, when this was handed over last */
    struct holdfast_run_line results[WORLD_RUN_LINES]; /* that it records */
};

/* A run as a file has it: the same for everybody. */
struct bulk_run {
    char name[16];
    uint8_t digest[HOLDFAST_DIGEST_BYTES];
    uint32_t numbers[WORLD_RUN_LINES];   /* of its lines; all others are blank */
    struct note *lines[WORLD_RUN_LINES]; /* what they ask for, under no id */
    size_t count;
    uint32_t begins; /* how often somebody came with it */
    bool is_list;    /* lines are counted by whoever likes, and nobody has a file */
    bool together;   /* two have applied it at once */
};

struct client {
    struct sim_process *process;
    struct note *notes, *open_notes;
    struct job *jobs;
    size_t open;      /* notes that are not certain */
    uint32_t planned; /* how many are still to be made */
    int64_t think_us; /* mean time between two */
    int64_t next_us;  /* true time of the next */
    uint32_t window;
    uint32_t readings;       /* how many are still to be begun */
    int64_t next_reading_us; /* true time of the next */
    bool reads;              /* one is under way */
    bool must_read;          /* everything, until it is answered */
};

/* A reservation that somebody was told of. */
struct target {
    char reservation[RESERVATION_TEXT_BYTES];
    struct holdfast_line lines[WORLD_LINES_MAX];
    size_t line_count;
};
#define WORLD_TARGETS_MAX 256u

/* An operation that somebody was told to be applied, and might be taken back. */
struct done {
    char id[UUID_TEXT_BYTES];
    enum holdfast_operation_kind kind;
    int64_t id_time_us;
    uint32_t partition;
};

/* ------------------------------------------------------------- the world */

struct broker {
    struct sim_process *process;
    bool stop; /* SIGTERM */
};

struct worker_seat {
    struct sim_worker worker;
    unsigned shard;
};

struct server_seat {
    struct sim_process *process;
    struct model_server *server;
    struct model_image *image; /* what it may be put back to; NULL: nothing */
    bool restore;              /* at its next start */
};

struct world {
    enum phase phase;
    struct config config;
    unsigned broker_count, worker_count, client_count, shard_count;
    char addresses[WORLD_SHARDS_MAX][32];
    unsigned sku_count, warehouse_count;
    const char *skus[WORLD_SKUS_MAX];
    uint32_t sku_partition[WORLD_SKUS_MAX];
    const char *warehouses[WORLD_WAREHOUSES_MAX];
    const char *reasons[WORLD_REASONS];
    uint32_t kind_weight[WORLD_KINDS];
    uint32_t kind_weights; /* their sum */
    uint32_t hot_share;    /* of 100 operations, so many go to sku 0 */
    uint32_t first_stock;
    int64_t attempt_timeout_us, timeout_us;
    int64_t ttl_ms_min, ttl_ms_max;
    int64_t workload_us;
    bool restless; /* partitions go from worker to worker, and peers learn of it late */
    bool adrift;   /* … because they lose their servers after a COMMIT, and by nothing else */
    bool returns; /* … because one is asleep, and back when who had its partition meanwhile goes */
    bool unheard;  /* … and while one stands still, a broker does not hear of the others */
    bool lulls;    /* … and then nobody asks for anything for a while */
    bool prunes;   /* what is older than a few seconds goes */
    bool cursed;   /* the server refuses some rows: what is due may have been put off */
    bool prompt;   /* what was begun is committed soon, so that beginning late can be seen */
    bool harsh;    /* single messages are lost, doubled, reordered */
    bool jumps;    /* clocks jump */
    bool restores; /* a server comes back as an older copy */

    struct broker brokers[WORLD_BROKERS_MAX];
    struct client clients[WORLD_CLIENTS_MAX];
    struct worker_seat workers[WORLD_WORKERS_MAX];
    struct server_seat servers[WORLD_SHARDS_MAX];
    struct target targets[WORLD_TARGETS_MAX];
    size_t target_count;
    struct { /* a level that somebody was told of lately */
        const char *sku, *warehouse;
        uint64_t on_hand_version;
    } seen;
    struct bulk_run runs[WORLD_RUNS_MAX];
    size_t run_count;
    struct done done[WORLD_DONE_MAX];
    size_t done_count;
    uint64_t calls;
    int64_t calm_since_us;
};

extern struct world world;
/* Every seed is a restless one, with most of what makes it so: for bugs that need this. */
extern bool world_all_restless;

/* Runs one seed to its end; sim_fail when something does not hold. */
void world_run(uint64_t seed);

/* ------------------------------------------------------------- world.c */

/* Whoever is down starts, if it is still down. */
void world_start(struct sim_process *process);
/* SIGTERM. */
void world_tell_to_stop(struct sim_process *process);

/* ------------------------------------------------------------- bodies */

void broker_body(void *broker);
void client_body(void *client);

/* ------------------------------------------------------------- workload.c */

/* The next thing that this client wants; never NULL. */
struct note *workload_next(struct client *client);
/* A settle of what the note is about. */
struct note *workload_settle(struct client *client, struct note *note);
/* The first operations of all, by client 0. NULL: that was all. */
struct note *workload_preamble(struct client *client, unsigned index);
/* What a result means to its caller: certain, or again later. */
void workload_result(struct client *client, struct note *note,
                     const struct holdfast_result *result);

/* For bulk.c. */
struct note *workload_note(struct client *client, enum holdfast_operation_kind kind);
void workload_fill(struct note *note);
void workload_certain(struct client *client, struct note *note);
void workload_again(struct note *note, int64_t low_us, int64_t high_us);
/* Where it goes, as its caller knows it. */
uint32_t workload_partition(const struct note *note);

/* ------------------------------------------------------------- bulk.c */

/* The first thing of applying a run, or of taking something back; NULL: there is nothing to. */
struct note *bulk_next(struct client *client, enum holdfast_operation_kind kind);
/* A note of a job is handed to the library. */
void bulk_handed_over(struct note *note);
void bulk_result(struct client *client, struct note *note, const struct holdfast_result *result);
/* The client was killed: of some jobs nothing was kept on its machine. */
void bulk_killed(struct client *client);
/* At the end: what is recorded of lines is what became of them. A model_visit_run_block. */
model_visit_run_block bulk_check_block;

/* ------------------------------------------------------------- world_faults.c */

void world_faults_begin(void);
/* The current worker; where brokers shall not hear of others there must be one to take over. */
bool world_may_stand_still(void);
/* It is about to. */
void world_unheard(void);

#endif
