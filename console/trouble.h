/* SPDX-License-Identifier: MIT
 *
 * What is wrong, in words: seen before anybody calls. Every screen says how many there are, the
 * view Operations says which. All of it comes from what brokers and the view say of themselves.
 */
#ifndef CONSOLE_TROUBLE_H
#define CONSOLE_TROUBLE_H

#include <stdbool.h>
#include <stddef.h>

#include "console/canvas.h"
#include "protocol/holdfast.pb-c.h"

struct app;

#define TROUBLES_MAX 16
#define TROUBLE_TEXT 200

struct trouble {
    enum style
        style; /* BAD: something does not work; WARN: it will not for long, or needs a look */
    char text[TROUBLE_TEXT];
};

/* The worst first. Returns how many were filled in. */
size_t trouble_list(const struct app *app, struct trouble list[TROUBLES_MAX]);
/* What is told of stock, whether or not it is trouble. */
void trouble_stock(const struct app *app, char *text, size_t bytes);
/* The newest audit that a broker was told of, with that broker; NULL: none knows one. */
const Hf__AuditReport *trouble_audit(const struct app *app, const Hf__BrokerState **teller);
/* It repeats itself, and has not come for too long. */
bool trouble_audit_late(const Hf__AuditReport *audit, const Hf__BrokerState *teller);

#endif
