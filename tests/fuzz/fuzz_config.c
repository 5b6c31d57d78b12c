/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a cluster.yaml: it is refused with a fault that a terminal can show, or it is taken,
 * and then what config_write makes of it is taken too and says the same.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A text that ends in its field; what lies behind it in the struct would hide that from ASan. */
#define ENDS(field) assert(memchr(field, '\0', sizeof field) != NULL)

static void check_texts(const struct config *config)
{
    ENDS(config->name);
    ENDS(config->region);
    for (size_t i = 0; i < config->shard_count; i++) {
        const struct config_shard *shard = &config->shards[i];
        ENDS(shard->name);
        ENDS(shard->durability);
        ENDS(shard->database);
        ENDS(shard->user);
        ENDS(shard->password_file);
        for (size_t j = 0; j < shard->server_count; j++) {
            ENDS(shard->servers[j].socket);
            ENDS(shard->servers[j].host);
        }
    }
    for (size_t i = 0; i < config->broker_count; i++) {
        ENDS(config->brokers[i].client);
        ENDS(config->brokers[i].worker);
        ENDS(config->brokers[i].publish);
        ENDS(config->brokers[i].changes);
        ENDS(config->brokers[i].state);
    }
}

static void check_bounds(const struct config *config)
{
    assert(config->shard_count <= CONFIG_SHARDS_MAX && config->broker_count <= CONFIG_BROKERS_MAX);
    for (size_t i = 0; i < config->shard_count; i++)
        assert(config->shards[i].server_count <= CONFIG_SERVERS_MAX);
    check_texts(config);
}

static void check_round_trip(const struct config *config)
{
    static struct config again;
    char error[4096], path[] = "/tmp/holdfast-fuzz-XXXXXX";
    int fd = mkstemp(path);

    assert(fd >= 0);
    close(fd);
    assert(config_write(config, path));
    assert(config_read(&again, path, error, sizeof error));
    unlink(path);
    memset(again.path, 0, sizeof again.path);
    assert(memcmp(&again, config, sizeof again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config config;
    char error[2048];

    if (config_parse(&config, "fuzz", (const char *)data, size, error, sizeof error)) {
        check_bounds(&config);
        check_round_trip(&config);
        return 0;
    }
    assert(strncmp(error, "fuzz:", 5) == 0);
    for (const char *p = error; *p; p++)
        assert((unsigned char)*p >= 0x20 || *p == '\n');
    return 0;
}
