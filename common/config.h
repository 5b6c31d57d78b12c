/* SPDX-License-Identifier: MIT
 *
 * cluster.yaml: what it may say is etc/cluster.schema.json, what it means is here. Every key that
 * is read has its place in this struct. Read once at start; a bad file is refused whole.
 */
#ifndef COMMON_CONFIG_H
#define COMMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_SHARDS_MAX 64
#define CONFIG_SERVERS_MAX 8
#define CONFIG_BROKERS_MAX 16
#define CONFIG_VIEWS_MAX 16
#define CONFIG_RELAYS_MAX 16
/* Of one operation a class other than freeing may fill nothing: brokers give each its part. */
#define CONFIG_QUEUE_OPERATIONS_MIN 2
#define CONFIG_ENDPOINT_BYTES 256 /* of a ZeroMQ endpoint, with the NUL */
#define CONFIG_PATH_BYTES 256
#define CONFIG_NAME_BYTES 65

/* One database server of a shard: socket, or host and port. */
struct config_server {
    char socket[CONFIG_PATH_BYTES]; /* "" when host is used */
    char host[CONFIG_PATH_BYTES];
    uint16_t port; /* default 3306 */
    bool tls;
};

struct config_shard {
    char name[CONFIG_NAME_BYTES];
    char durability[CONFIG_NAME_BYTES]; /* single, semi-sync, galera, group-replication */
    struct config_server servers[CONFIG_SERVERS_MAX];
    size_t server_count;
    char database[CONFIG_NAME_BYTES]; /* default "holdfast" */
    char user[CONFIG_NAME_BYTES];
    char password_file[CONFIG_PATH_BYTES]; /* "": no password (unix socket authentication) */
};

struct config_broker {
    char client[CONFIG_ENDPOINT_BYTES];  /* ROUTER for clients, such as ipc:///run/…/client */
    char worker[CONFIG_ENDPOINT_BYTES];  /* ROUTER for workers */
    char publish[CONFIG_ENDPOINT_BYTES]; /* XSUB: where workers publish changes; "": nowhere */
    char changes[CONFIG_ENDPOINT_BYTES]; /* XPUB: where views and relays hear of them */
    char state[CONFIG_ENDPOINT_BYTES];   /* PUB of the broker's own state */
};

struct config_view {
    char client[CONFIG_ENDPOINT_BYTES]; /* ROUTER for clients */
};

struct config_relay {
    char client[CONFIG_ENDPOINT_BYTES]; /* ROUTER for consumers */
};

struct config_limits {
    uint32_t queue_operations; /* per partition, queued and in flight; default 4,096 */
    uint32_t queue_bytes;      /* per partition; default 8 MiB */
    uint32_t client_window;    /* operations in flight per client session; default 1,024 */
    uint32_t clients;          /* sessions per broker; default 4,096 */
    uint32_t
        worker_credit;    /* operations that a worker takes from one broker ahead; default 1,024 */
    uint32_t worker_bulk; /* of class bulk in flight at a worker while others are about: 48 */
    uint32_t batch_operations; /* in one transaction; default 256 */
    uint32_t message_bytes;    /* of one body; default 1 MiB, at most MESSAGE_BYTES_MAX */
    uint32_t lines;            /* of one operation; default 1,000 */
    uint32_t rate;             /* operations a second per principal; 0: no limit (default) */
    uint32_t rate_burst;       /* tokens of the bucket; default: rate */
    uint64_t clock_skew_ms;    /* between a peer and the cluster's clock; default 5 s */
    uint64_t not_after_ms;     /* most that not_after may lie ahead; default 1 h */
};

struct config_windows {
    uint64_t idempotency_ms; /* default 7 d */
    uint64_t retention_ms;   /* of movements; default 30 d, at least idempotency */
    uint64_t lease_ms;       /* of a partition; default 3 s */
    uint64_t heartbeat_ms;   /* default 1 s; three missed mean dead */
};

struct config {
    char path[CONFIG_PATH_BYTES]; /* the file that was read */
    char name[CONFIG_NAME_BYTES];
    char region[CONFIG_NAME_BYTES]; /* default "main" */
    uint32_t partitions;
    struct config_shard shards[CONFIG_SHARDS_MAX];
    size_t shard_count;
    struct config_broker brokers[CONFIG_BROKERS_MAX];
    size_t broker_count;
    struct config_view views[CONFIG_VIEWS_MAX];
    size_t view_count; /* may be 0 */
    struct config_relay relays[CONFIG_RELAYS_MAX];
    size_t relay_count; /* may be 0 */
    struct config_limits limits;
    struct config_windows windows;
};

/* The defaults above. */
void config_defaults(struct config *config);

/* Reads and checks the file. On failure, error holds every fault found (up to 20), one a line:
 * `cluster.yaml:7:3: error: unknown key "shard" (did you mean "shards"?)`. */
bool config_read(struct config *config, const char *path, char *error, size_t error_bytes);

/* As config_read, from memory; name stands for the file in messages. For tests and fuzzing. */
bool config_parse(struct config *config, const char *name, const char *text, size_t length,
                  char *error, size_t error_bytes);

/* Where cluster.yaml is looked for: given (from -C, may be NULL), $HOLDFAST_CLUSTER,
 * ./holdfast/cluster.yaml, ~/.local/share/holdfast/cluster.yaml, /etc/holdfast/cluster.yaml. False
 * when none exists; error lists where it looked. */
bool config_find(const char *given, char *path, size_t path_bytes, char *error, size_t error_bytes);

/* The path of the index-th key that the parser knows, such as "shards[].servers[].port"; false
 * after the last. So that a test can hold etc/cluster.schema.json and the parser together. */
bool config_key(size_t index, char *path, size_t path_bytes);

/* `<int>(ms|s|m|h|d)` to milliseconds. False on anything else, and when it does not fit. */
bool config_duration(const char *text, uint64_t *ms);

/* Writes a file that config_read takes back, 0600. False with errno. */
bool config_write(const struct config *config, const char *path);

#endif
