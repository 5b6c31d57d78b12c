/* SPDX-License-Identifier: MIT
 *
 * What config.c (which reads) and config_keys.c (which knows the keys) share. For nobody else.
 */
#ifndef COMMON_CONFIG_KEYS_H
#define COMMON_CONFIG_KEYS_H

#include <yaml.h>

#include "common/config.h"

#define CONFIG_KEYS_MAX 16 /* of one section */
#define MS_SECOND UINT64_C(1000)
#define MS_DAY (24 * 3600 * MS_SECOND)

enum kind {
    KIND_VERSION,  /* the number 1 */
    KIND_CODE,     /* as protocol/text.h */
    KIND_FILENAME, /* letters, digits, '-', '_', '.'; becomes a folder's name */
    KIND_WORD,     /* letters, digits and '_' */
    KIND_DURABILITY,
    KIND_HOST,
    KIND_PATH,     /* absolute */
    KIND_SOCKET,   /* absolute, and short enough for a unix socket */
    KIND_ENDPOINT, /* ipc://PATH */
    KIND_BOOL,
    KIND_PORT,     /* uint16_t */
    KIND_NUMBER,   /* uint32_t */
    KIND_DURATION, /* uint64_t milliseconds */
    KIND_SECTION,
    KIND_LIST,     /* of sections */
    KIND_RESERVED, /* a list or section that must be empty until it is built */
};

struct key {
    const char *name;
    enum kind kind;
    size_t offset; /* in the struct of its section */
    uint64_t least, most;
    bool required;
    const struct section *section; /* KIND_SECTION, KIND_LIST */
    size_t item_bytes, count_offset, items_max;
    bool may_be_empty; /* a list */
};

struct reader; /* config.c */

struct section {
    const struct key *keys;
    size_t count;
    /* What only the whole section shows; base is its struct. May be NULL. */
    void (*check)(struct reader *r, yaml_mark_t mark, const void *base);
};

extern const struct section config_root;

/* As config_parse, for another program's file with keys of its own: base is the struct of root,
 * with its defaults set. */
bool config_parse_keys(const struct section *root, void *base, const char *name, const char *text,
                       size_t length, char *error, size_t error_bytes);
/* The same from a file; errno is ENOENT when there is none. */
bool config_read_keys(const struct section *root, void *base, const char *path, char *error,
                      size_t error_bytes);

/* What is wrong with a text of this kind, as words that follow the key's name; NULL: nothing, and
 * it fits its field. Only for kinds that are text. */
const char *config_text_fault(enum kind kind, const char *text, size_t length);

/* What stays unset after reading and has a default that depends on something, or lies in a list. */
void config_fill_defaults(struct config *config);

/* Notes a fault of the file at a place in it; in config.c. */
void config_fault(struct reader *r, yaml_mark_t mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
