/* SPDX-License-Identifier: MIT
 *
 * The table of keys of console.yaml. See settings.h.
 */
#include "console/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_keys.h"

static void check_scanner(struct reader *r, yaml_mark_t mark, const void *base)
{
    const struct settings_scanner *scanner = base;
    if (strlen(scanner->prefix) > SETTINGS_PREFIX_BYTES)
        config_fault(r, mark, "prefix has more than %d bytes", SETTINGS_PREFIX_BYTES);
}

static void check_settings(struct reader *r, yaml_mark_t mark, const void *base)
{
    const struct settings *settings = base;
    if (strcmp(settings->colours, "auto") != 0 && strcmp(settings->colours, "none") != 0)
        config_fault(r, mark, "colours must be auto or none");
}

#define COLUMN(view, word)                                                                         \
    {                                                                                              \
        .name = #word, .kind = KIND_BOOL, .offset = offsetof(struct columns_##view, word)          \
    }
#define SECTION_OF(keys)                                                                           \
    {                                                                                              \
        keys, sizeof keys / sizeof keys[0], NULL                                                   \
    }
static const struct key stock_keys[] = {
    COLUMN(stock, item),      COLUMN(stock, on_hand),   COLUMN(stock, reserved),
    COLUMN(stock, committed), COLUMN(stock, available), COLUMN(stock, unavailable),
    COLUMN(stock, safety),    COLUMN(stock, trend),
};
static const struct key item_keys[] = {
    COLUMN(item, on_hand),     COLUMN(item, reserved), COLUMN(item, committed),
    COLUMN(item, unavailable), COLUMN(item, safety),   COLUMN(item, available),
};
static const struct key reservations_keys[] = {
    COLUMN(reservations, reservation),
    COLUMN(reservations, what),
    COLUMN(reservations, order),
    COLUMN(reservations, by),
};
static const struct key events_keys[] = {
    COLUMN(events, time),   COLUMN(events, what),    COLUMN(events, at),
    COLUMN(events, change), COLUMN(events, on_hand),
};
static const struct key runs_keys[] = {
    COLUMN(runs, progress),
    COLUMN(runs, since),
};
static const struct section stock_section = SECTION_OF(stock_keys);
static const struct section item_section = SECTION_OF(item_keys);
static const struct section reservations_section = SECTION_OF(reservations_keys);
static const struct section events_section = SECTION_OF(events_keys);
static const struct section runs_section = SECTION_OF(runs_keys);

#define VIEW(word)                                                                                 \
    {                                                                                              \
        .name = #word, .kind = KIND_SECTION, .offset = offsetof(struct settings_columns, word),    \
        .section = &word##_section                                                                 \
    }
static const struct key columns_keys[] = {
    VIEW(stock), VIEW(item), VIEW(reservations), VIEW(events), VIEW(runs),
};
static const struct section columns_section = SECTION_OF(columns_keys);

static const struct key scanner_keys[] = {
    {.name = "prefix", .kind = KIND_CODE, .offset = offsetof(struct settings_scanner, prefix)},
};
static const struct section scanner_section = {scanner_keys, 1, check_scanner};

static const struct key root_keys[] = {
    {.name = "version", .kind = KIND_VERSION, .required = true},
    {.name = "warehouse", .kind = KIND_CODE, .offset = offsetof(struct settings, warehouse)},
    {.name = "colours", .kind = KIND_WORD, .offset = offsetof(struct settings, colours)},
    {.name = "ascii", .kind = KIND_BOOL, .offset = offsetof(struct settings, ascii)},
    {.name = "mouse", .kind = KIND_BOOL, .offset = offsetof(struct settings, mouse)},
    {.name = "panes", .kind = KIND_BOOL, .offset = offsetof(struct settings, panes)},
    {.name = "scanner",
     .kind = KIND_SECTION,
     .offset = offsetof(struct settings, scanner),
     .section = &scanner_section},
    {.name = "columns",
     .kind = KIND_SECTION,
     .offset = offsetof(struct settings, columns),
     .section = &columns_section},
};
static const struct section root_section = {root_keys, sizeof root_keys / sizeof root_keys[0],
                                            check_settings};

void settings_defaults(struct settings *settings)
{
    memset(settings, 0, sizeof *settings);
    memcpy(settings->colours, "auto", 5);
    settings->panes = true;
    settings->columns = (struct settings_columns){
        .stock = {.item = true,
                  .on_hand = true,
                  .reserved = true,
                  .committed = true,
                  .available = true,
                  .trend = true},
        .item = {true, true, true, true, true, true},
        .reservations = {true, true, true, true},
        .events = {true, true, true, true, true},
        .runs = {true, true},
    };
}

bool settings_parse(struct settings *settings, const char *name, const char *text, size_t length,
                    char *error, size_t error_bytes)
{
    settings_defaults(settings);
    return config_parse_keys(&root_section, settings, name, text, length, error, error_bytes);
}

bool settings_read(struct settings *settings, const char *path, char *error, size_t error_bytes)
{
    char found[1024];
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    bool given = path != NULL;

    settings_defaults(settings);
    if (!given && config && config[0] == '/')
        snprintf(found, sizeof found, "%s/holdfast/console.yaml", config);
    else if (!given && home && home[0] == '/')
        snprintf(found, sizeof found, "%s/.config/holdfast/console.yaml", home);
    else if (!given)
        return true;
    if (config_read_keys(&root_section, settings, given ? path : found, error, error_bytes))
        return true;
    if (given || errno != ENOENT)
        return false;
    settings_defaults(settings);
    return true;
}
