/* SPDX-License-Identifier: MIT
 *
 * Consumes a subscription in a loop of its own: poll() on the subscription's descriptor, beside
 * whatever else the program waits for. Announces what runs out.
 *
 *     subscribe NAME [CLUSTER.YAML]
 */
#include <holdfast_events.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void work(const struct holdfast_event *event)
{
    const struct holdfast_movement *m = event->movement;

    printf("%s %s@%s: %u available\n", holdfast_movement_name(m->kind), m->sku, m->warehouse,
           m->after.available);
    if (event->signals & HOLDFAST_SIGNAL_OUT_OF_STOCK)
        printf("out of stock: %s\n", m->sku);
    if (event->signals & HOLDFAST_SIGNAL_LOW_STOCK)
        printf("low stock: %s\n", m->sku);
    fflush(stdout);
}

/* False: the subscription is over. */
static bool take_all(struct holdfast_subscription *subscription)
{
    const struct holdfast_event *event;

    while ((event = holdfast_subscription_next(subscription, 0)) != NULL) {
        switch (event->kind) {
        case HOLDFAST_EVENT_MOVEMENT:
            work(event);
            /* From here on it is done: a crash before this line gives it again. */
            holdfast_subscription_ack(subscription, event->partition, event->sequence);
            break;
        case HOLDFAST_EVENT_POSITION_PRUNED:
        case HOLDFAST_EVENT_HISTORY_LOST:
            /* A real program would first find out what it has missed, or must take back. */
            fprintf(stderr, "partition %u: gap between %llu and %llu\n", event->partition,
                    (unsigned long long)event->given, (unsigned long long)event->resume);
            holdfast_subscription_resume(subscription, event->partition, event->resume);
            break;
        case HOLDFAST_EVENT_REFUSED:
            fprintf(stderr, "%s: %s\n", holdfast_status_name(event->status), event->message);
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    struct holdfast_options options = {.size = sizeof options,
                                       .cluster_file = argc > 2 ? argv[2] : NULL};
    struct holdfast_subscription_options wanted = {.size = sizeof wanted, .name = argv[1]};
    char error[512];
    bool good = true;

    if (argc < 2) {
        fprintf(stderr, "usage: subscribe NAME [CLUSTER.YAML]\n");
        return 64;
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    struct holdfast_subscription *subscription =
        holdfast_subscribe(&options, &wanted, error, sizeof error);
    if (!subscription) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    while (!stop && good) {
        struct pollfd readable = {.fd = holdfast_subscription_fd(subscription), .events = POLLIN};
        poll(&readable, 1, holdfast_subscription_deadline_ms(subscription));
        holdfast_subscription_process(subscription);
        good = take_all(subscription);
    }
    if (good)
        good = holdfast_subscription_flush(subscription, 5000);
    holdfast_unsubscribe(&subscription);
    return good ? 0 : 1;
}
