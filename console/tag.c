/* SPDX-License-Identifier: MIT
 *
 * See tag.h.
 */
#include "console/tag.h"

#include <stdio.h>
#include <string.h>

static const char *key_of(const struct subject *subject)
{
    return subject->reservation[0] ? subject->reservation : subject->sku;
}

static size_t find(const struct app *app, const char *key)
{
    size_t i = 0;
    while (i < app->tags.count && strcmp(app->tags.keys[i], key) != 0)
        i++;
    return i;
}

static void take_out(struct app *app, size_t i)
{
    memmove(app->tags.keys[i], app->tags.keys[i + 1],
            (--app->tags.count - i) * sizeof app->tags.keys[0]);
}

void tag_toggle(struct app *app)
{
    struct subject subject;

    if (!app_subject(app, &subject))
        return;
    if (app->tags.view != app->view)
        app->tags.count = 0;
    app->tags.view = app->view;
    size_t i = find(app, key_of(&subject));
    if (i < app->tags.count) {
        take_out(app, i);
    } else if (app->tags.count == TAGS_MAX) {
        app->bell = true;
        app_say(app, STYLE_BAD, "ERR no more than %d rows can be tagged", TAGS_MAX);
    } else {
        snprintf(app->tags.keys[app->tags.count++], CODE_TEXT, "%s", key_of(&subject));
    }
}

size_t tag_count(const struct app *app)
{
    return app->tags.view == app->view ? app->tags.count : 0;
}

bool tag_has(const struct app *app, const char *key)
{
    return tag_count(app) > 0 && find(app, key) < app->tags.count;
}

bool tag_clear(struct app *app)
{
    size_t count = tag_count(app);
    app->tags.count = 0;
    return count > 0;
}

bool tag_form(struct app *app, enum action action)
{
    struct subject subject = {0};

    if (tag_count(app) == 0)
        return false;
    if (app->view == VIEW_RESERVATIONS) {
        memcpy(subject.reservation, app->tags.keys[0], sizeof subject.reservation);
    } else {
        memcpy(subject.sku, app->tags.keys[0], sizeof subject.sku);
        memcpy(subject.warehouse, app->warehouse, sizeof subject.warehouse);
    }
    dialog_open(app, action, &subject);
    return true;
}

void tag_posted(struct app *app, const struct subject *subject, enum action action,
                const struct form *before)
{
    size_t i = find(app, key_of(subject));

    if (tag_count(app) == 0 || i == app->tags.count)
        return;
    take_out(app, i);
    if (tag_form(app, action))
        dialog_take_over(app, before);
}
