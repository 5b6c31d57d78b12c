/* SPDX-License-Identifier: MIT
 *
 * The console's state, and what its parts are to each other. One thread, one struct: main.c brings
 * bytes and time, app.c turns keys into actions, views draw. Nothing here waits for anything.
 */
#ifndef CONSOLE_APP_H
#define CONSOLE_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "client/holdfast.h"
#include "client/holdfast_view.h"
#include "common/broker_watch.h"
#include "common/config.h"
#include "console/action.h"
#include "console/canvas.h"
#include "console/form.h"
#include "console/key.h"
#include "console/scan.h"
#include "console/settings.h"

#define CODE_TEXT 65 /* a code of the contract, with its NUL */
#define NAME_TEXT 256

struct app;
struct ask;
struct dialog;
struct chooser;
struct panes;
struct counting;
struct subscriptions;
struct brokers;
struct export_file;

struct area {
    int row, rows, columns;
};

/* What an action acts upon. Empty texts: it has none. */
struct subject {
    char sku[CODE_TEXT];
    char warehouse[CODE_TEXT];
    char reservation[CODE_TEXT];
    char order[CODE_TEXT];
    uint64_t sequence; /* of a movement */
};

struct view {
    enum view_id id;
    const char *name;
    const char *about;              /* one line, for the list of views and the help */
    size_t state_bytes;             /* of its state in app->states, zeroed at first */
    bool (*init)(void *state);      /* false without memory; NULL: zeroes are right */
    void (*release)(void *state);   /* what the state holds; NULL: nothing */
    void (*enter)(struct app *app); /* may be NULL */
    /* Asks for what is due. Called at least four times a second while the view is shown. */
    void (*tick)(struct app *app, int64_t now_us);
    void (*draw)(struct app *app, struct canvas *c, struct area area);
    /* The line below the header: what is shown, how it is sorted. */
    void (*title)(struct app *app, char *text, size_t bytes);
    bool (*key)(struct app *app, const struct key *key);       /* moves; false: not its own */
    bool (*act)(struct app *app, enum action action);          /* may be NULL */
    bool (*filtered)(struct app *app);                         /* NULL: there is no filter */
    bool (*subject)(struct app *app, struct subject *subject); /* may be NULL; false: no row */
    /* Whether the row lets the action be done at all; NULL: it does. */
    bool (*allows)(struct app *app, enum action action);
    /* Writes what the list shows as a table (export_head, export_row). Returns the rows below it; 0
     * when there is nothing. NULL: there is nothing to be written here. */
    size_t (*table)(struct app *app, struct export_file *out);
    /* A scan, or a code that was typed for looking up. NULL: the console opens what it is. */
    void (*scanned)(struct app *app, const char *text);
};

extern const struct view view_stock, view_item, view_reservations, view_orders, view_operations,
    view_events, view_runs, view_scan, view_count;

/* A question that is asked again and again. One is on its way at most. */
struct poll {
    int64_t due_us;
    int64_t asked_at_us;
    bool in_flight;
    uint32_t generation; /* raised: an answer on its way is for nobody */
};

/* How well the console is connected; told in words by every screen. */
struct link {
    int64_t answered_at_us; /* monotonic, of the last read that was answered; 0: never */
    int64_t answered_wall_us;
    int64_t age_us;           /* that it told */
    int64_t failing_since_us; /* reads have failed since; 0: they do not */
    uint32_t partitions, unknown_partitions;
    char view[CONFIG_ENDPOINT_BYTES];
    int64_t brokers_heard_us[CONFIG_BROKERS_MAX]; /* monotonic; 0: never */
    int64_t broker_clock[CONFIG_BROKERS_MAX];
};

struct names { /* codes and their names, sorted */
    char (*codes)[CODE_TEXT];
    char (*texts)[NAME_TEXT];
    size_t count;
    bool known;
};

/* Over all warehouses, from the view; what trouble.c tells of stock. */
struct stock_sums {
    bool known;
    uint64_t out_of_stock, below_safety, shortfall;
};

enum prompt_kind { PROMPT_NONE, PROMPT_FILTER, PROMPT_LOOKUP, PROMPT_LIST };

#define FIFO_KEYS 4096
#define POSTINGS_MAX 8

#define TAGS_MAX 256

struct tags { /* by what rows are: a sku, a reservation */
    enum view_id view;
    size_t count;
    char keys[TAGS_MAX][CODE_TEXT];
};

enum posting_state { POSTING_FREE, POSTING_SENT, POSTING_UNKNOWN };

/* A write that is on its way or whose outcome is not known. */
struct posting {
    enum posting_state state;
    char id[37];
    char what[160];
    int32_t partition;
    int64_t settle_due_us;
    bool settling;
    bool derived; /* its id was not made by chance: somebody may have posted it before */
    uint32_t serial;
    struct app *app;
    /* Told each result that is certain, and `unknown` once. NULL: nobody waits any more. */
    void (*done)(struct app *app, const struct posting *posting,
                 const struct holdfast_result *result);
};

struct app {
    struct settings settings;
    bool readonly;
    const char *actor;
    char cluster[CODE_TEXT];
    struct config config;
    struct holdfast *reads; /* two handles, as a read is given up sooner than a write */
    struct holdfast *writes;
    struct broker_watch *watch;
    struct link link;
    struct names reasons, warehouses;
    struct poll reasons_poll, warehouses_poll, alive_poll;

    int64_t opened_us;
    int64_t now_us; /* monotonic, of this turn of the loop */
    int64_t wall_us;
    struct canvas canvas;
    bool dirty;  /* data changed: draw when it is time */
    bool urgent; /* a key was taken: draw now */
    bool redraw; /* everything, as what the terminal shows is not known */
    bool quit, suspend, bell, dumping;
    int64_t next_tick_us;

    struct key_decoder decoder;
    struct scan scan;
    struct key *fifo; /* FIFO_KEYS */
    size_t fifo_first, fifo_count;
    bool looking;     /* a look-up is on its way: keys wait */
    struct ask *asks; /* questions on their way */

    enum view_id view, previous;
    void *states[VIEWS];
    struct panes *panes;
    bool paused;
    char warehouse[CODE_TEXT]; /* "": all */

    struct counting *counting;
    struct subscriptions *subscriptions;
    struct tags tags;
    struct dialog *dialog;   /* or NULL */
    struct chooser *chooser; /* or NULL */
    bool help;
    int help_top;
    enum prompt_kind prompt;
    struct form prompt_form;   /* of one field */
    char list_name[CODE_TEXT]; /* of a count list, when Enter alone is pressed */

    char message[512];
    enum style message_style;
    int64_t message_at_us;
    bool message_stays; /* it is of no view: a change of the view does not take it away at once */
    char copied[CODE_TEXT]; /* for the terminal's clipboard; taken by the frontend */

    struct stock_export *exporting; /* a file that is being written, or NULL */

    struct posting postings[POSTINGS_MAX];
    uint32_t posting_serial;

    struct brokers *brokers;
    struct stock_sums sums;
    struct poll sums_poll;
};

/* ------------------------------------------------------------- app.c */

/* False with the reason in error. cluster_file may be NULL. settings and config are filled. */
bool app_open(struct app *app, const char *cluster_file, char *error, size_t error_bytes);
void app_close(struct app *app);
/* Bytes of the terminal. Returns how many were taken: fewer when keys wait. */
size_t app_bytes(struct app *app, const unsigned char *bytes, size_t count);
/* Whether app_bytes would take more. */
bool app_wants_bytes(const struct app *app);
/* One turn: replies, keys that are due, questions that are due. */
void app_turn(struct app *app);
/* Milliseconds until app_turn has something to do. */
int app_wait_ms(const struct app *app);

void app_show(struct app *app, enum view_id view);
/* A line of words at the bottom, until the next, or until the view is left. */
void app_say(struct app *app, enum style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Whether the action does something now: what cannot be done is neither shown nor taken. */
bool app_can(struct app *app, enum action action);
void app_act(struct app *app, enum action action);
bool app_subject(struct app *app, struct subject *subject);
void app_draw(struct app *app);
const struct view *view_of(enum view_id id);

/* ------------------------------------------------------------- data.c */

/* Asks now when it is due. handler is called with an answer that is not NULL, and may take it
 * (and set it to NULL). The next is due after interval_us, or later when answers are slow: a
 * question never takes more than a twentieth of whoever answers it. */
typedef void view_handler(struct app *app, struct holdfast_view_answer **answer);
void poll_view(struct app *app, struct poll *poll, const struct holdfast_view_query *query,
               int64_t interval_us, view_handler *handler);
typedef void owner_handler(struct app *app, struct holdfast_answer **answer);
void poll_owner(struct app *app, struct poll *poll, const struct holdfast_query *query,
                int64_t interval_us, owner_handler *handler);
/* For handlers: the answer takes the place of *kept, which is freed (NULL: there was none). */
void keep_view(struct holdfast_view_answer **kept, struct holdfast_view_answer **answer);
void keep_owner(struct holdfast_answer **kept, struct holdfast_answer **answer);
/* What is on its way is for nobody, and the next question is due at once. */
void poll_restart(struct poll *poll);
/* The poll is about to be freed: what is on its way is for nobody. */
void poll_forget(struct app *app, const struct poll *poll);

/* Brokers' states, lists of reasons and warehouses, samples. */
void data_tick(struct app *app);
bool link_broker_ok(const struct app *app, size_t broker);
bool link_any_broker(const struct app *app);
/* None is heard, although there was time enough for one to tell its state. */
bool link_broker_missed(const struct app *app);
/* Reads are answered. */
bool link_reads(const struct app *app);
/* Age of what is shown. */
int64_t link_age_us(const struct app *app);
/* May a write be sent? Otherwise why not, in words. */
bool link_can_post(const struct app *app, const char **why);

/* Barcode, then sku, then with orders an order, which is shown. found is called with an item; ERR
 * is said when there is nothing. Keys wait meanwhile. */
void lookup_code(struct app *app, const char *code, bool orders,
                 void (*found)(struct app *app, const char *sku, const char *name));

/* ------------------------------------------------------------- post.c */

/* Sends a write under a new id. NULL with a message said: it was not sent. */
struct posting *post_send(struct app *app, struct holdfast_operation *operation, const char *what,
                          void (*done)(struct app *, const struct posting *,
                                       const struct holdfast_result *));
void post_tick(struct app *app);
size_t post_unknown(const struct app *app);

/* ------------------------------------------------------------- dialog.c */

/* Opens the form of an action for the subject. */
void dialog_open(struct app *app, enum action action, const struct subject *subject);
void dialog_close(struct app *app);
void dialog_tick(struct app *app);
bool dialog_key(struct app *app, const struct key *key);
void dialog_post(struct app *app);
bool dialog_can_post(const struct app *app);
/* Reasons or warehouses were read: what was typed of them before is completed. */
void dialog_names_came(struct app *app);
/* Something is on its way that decides what the next key means: keys wait. */
bool dialog_waits(const struct app *app);
/* The form that was just opened is one of several: what was typed into the one before and is the
 * same for all of them is taken over. */
void dialog_take_over(struct app *app, const struct form *before);
/* Of the form that was just opened: texts, and whether what the books say is hidden. */
void dialog_prefill(struct app *app, const char *quantity, const char *reference, bool blind);
void dialog_draw(struct app *app, struct canvas *c);

/* ------------------------------------------------------------- chooser.c */

void chooser_actions(struct app *app, const char *title);
void chooser_views(struct app *app);
void chooser_close(struct app *app);
void chooser_key(struct app *app, const struct key *key);
void chooser_draw(struct app *app, struct canvas *c);
/* How many lines the help has; draws those from top on. */
int help_draw(struct app *app, struct canvas *c, int top);

/* ------------------------------------------------------------- export.c */

/* Writes what the view shows into a file, as CSV or as JSON Lines, and tells its name. */
void export_begin(struct app *app, bool json);
void export_tick(struct app *app);
/* What is not whole is removed. */
void export_stop(struct app *app);

/* ------------------------------------------------------------- of views, for others */

/* The question whose rows Stock shows, from the first page on; it borrows from the app. */
void stock_question(struct app *app, struct holdfast_view_query *query);

/* Shows an item; warehouse "": all. */
void item_show(struct app *app, const char *sku, const char *warehouse);
/* It is the name of a reservation, with a check character that is right. */
bool orders_reservation(const char *text);
/* Shows an order or a reservation. */
void orders_show(struct app *app, const char *text);
/* Something was posted: read again. */
void orders_changed(struct app *app);
void reservations_changed(struct app *app);
void item_changed(struct app *app);
void scan_posted(struct app *app);
/* A name for a list of what is shown was given. */
void stock_list(struct app *app, const char *name);

#endif
