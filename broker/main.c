/* SPDX-License-Identifier: MIT
 *
 * holdfast-broker. The sockets are in server.c, the decisions in dispatch.c. It keeps nothing on
 * disk.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/server.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/random.h"

static int serve(const struct daemon *self, const struct config *config)
{
    static struct dispatch_config dispatch;
    char error[SERVER_ERROR_BYTES];

    snprintf(dispatch.name, sizeof dispatch.name, "%s", self->name);
    snprintf(dispatch.cluster, sizeof dispatch.cluster, "%s", config->name);
    snprintf(dispatch.region, sizeof dispatch.region, "%s", config->region);
    dispatch.partitions = config->partitions;
    dispatch.limits = config->limits;
    dispatch.windows = config->windows;
    if (!random_bytes(&dispatch.session_base, sizeof dispatch.session_base)) {
        log_error("could not read random bytes: %s", strerror(errno));
        return EXIT_SYSTEM;
    }
    struct server *server = server_open(&dispatch, &config->brokers[self->index], error);
    if (!server) {
        log_error("%s", error);
        if (self->log)
            fprintf(stderr, "holdfast-broker: %s\n", error);
        return EXIT_SYSTEM;
    }
    log_info("cluster=%s partitions=%u the broker serves", config->name, config->partitions);
    bool good = server_run(server);
    if (!good)
        log_error("the loop failed: %s", strerror(errno));
    server_close(&server);
    if (good)
        log_info("the broker has stopped");
    return good ? EXIT_SUCCESS : EXIT_SYSTEM;
}

int main(int argc, char **argv)
{
    static const struct daemon_kind kind = {
        .role = "broker",
        .does = "Queues and routes operations between clients and workers.\n",
        .list = "brokers",
        .count_at = offsetof(struct config, broker_count)};
    static struct config config;
    struct daemon self;

    int code = daemon_start(&kind, argc, argv, &config, &self);
    if (code >= 0)
        return code;
    code = serve(&self, &config);
    log_close();
    return code;
}
