/* SPDX-License-Identifier: MIT
 *
 * Operations whose id is not made by chance (a line of a count list, an undo) are done once,
 * whoever asks. When such an id was used before, or was given up, its settle says what became of
 * it: then either it is done already, or the next generation of the id is free. Never without
 * asking: what was given up here may still be applied for somebody else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/count.h"
#include "console/dialog.h"

struct asked {
    struct app *app;
    uint32_t serial; /* of the posting: the form is still the one that posted it */
    bool again;
};

static void done_already(struct app *app, struct dialog *d, const struct holdfast_result *result)
{
    char sku[CODE_TEXT];

    if (!d->list_line) {
        snprintf(d->trouble, sizeof d->trouble, "not done: it has been undone already");
        return;
    }
    memcpy(sku, d->subject.sku, sizeof sku);
    counting_applied(app, d, result);
    dialog_close(app);
    app_say(app, STYLE_WARN, "%s was counted already, by somebody else; not again", sku);
}

static void settled(void *data, struct holdfast_result *result)
{
    struct asked asked = *(struct asked *)data;
    struct app *app = asked.app;
    struct dialog *d = app->dialog;

    free(data);
    if (!app->quit && d && d->serial == asked.serial && d->phase == DIALOG_POSTING) {
        app->urgent = app->bell = true;
        d->phase = DIALOG_EDITING;
        if (result->settle == HOLDFAST_SETTLE_APPLIED && result->settled) {
            done_already(app, d, result->settled);
        } else if (result->settle == HOLDFAST_SETTLE_VOID) {
            if (d->list_line)
                d->list_generation++;
            else
                d->undone.generation++;
            if (asked.again)
                dialog_post(app);
        } else {
            snprintf(d->trouble, sizeof d->trouble,
                     "whether it was done already could not be found out. F2 tries again");
        }
    }
    holdfast_result_free(&result);
}

void dialog_settle(struct app *app, struct dialog *d, bool again)
{
    struct asked *asked = calloc(1, sizeof *asked);
    struct holdfast_operation settle = {.kind = HOLDFAST_SETTLE,
                                        .settles = d->id,
                                        .partition = (int32_t)d->undone.partition,
                                        .actor = app->actor};
    uint32_t partitions = holdfast_partitions(app->writes);

    if (d->list_line)
        settle.partition = partitions ? (int32_t)holdfast_partition_of(d->subject.sku, partitions)
                                      : HOLDFAST_ALL_PARTITIONS;
    if (asked) {
        *asked = (struct asked){app, d->serial, again};
        if (holdfast_submit(app->writes, &settle, settled, asked, NULL, 0)) {
            d->phase = DIALOG_POSTING;
            return;
        }
    }
    free(asked);
    snprintf(d->trouble, sizeof d->trouble,
             "whether it was done already could not be asked. F2 tries again");
}
