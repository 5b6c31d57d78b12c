/* SPDX-License-Identifier: MIT
 *
 * console/key.c, scan.c, form.c, list.c and action.c: from bytes to keys, scans and fields.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/action.h"
#include "console/form.h"
#include "console/key.h"
#include "console/list.h"
#include "console/scan.h"
#include "console/text.h"

#define MS INT64_C(1000)

/* ------------------------------------------------------------- bytes to keys */

static size_t decode(const char *bytes, size_t count, struct key *keys, size_t most)
{
    struct key_decoder d;
    struct key out[KEYS_PER_BYTE];
    size_t made = 0;
    key_decoder_init(&d);
    for (size_t i = 0; i <= count; i++) {
        size_t n = i < count ? key_decode(&d, (unsigned char)bytes[i], (int64_t)i, out)
                             : key_decode_timeout(&d, (int64_t)i + ESC_WAIT_US, out);
        for (size_t j = 0; j < n && made < most; j++)
            keys[made++] = out[j];
    }
    return made;
}

static void one_key(const char *bytes, uint32_t code)
{
    struct key keys[8];
    size_t made = decode(bytes, strlen(bytes), keys, 8);
    if (made != 1 || keys[0].code != code)
        fail_msg("\"%s\": %zu keys, the first 0x%x, wanted 0x%x", bytes + 1, made,
                 made ? keys[0].code : 0, code);
}

static void sequences(void **state)
{
    (void)state;
    one_key("a", 'a');
    one_key("\r", K_ENTER);
    one_key("\t", K_TAB);
    one_key("\177", K_BACKSPACE);
    one_key("\033", K_ESC);
    one_key("\033[A", K_UP);
    one_key("\033OA", K_UP);
    one_key("\033OP", K_F + 1);
    one_key("\033[[B", K_F + 2);   /* the Linux console */
    one_key("\033[12~", K_F + 2);  /* vt220 of some */
    one_key("\033[1;5Q", K_F + 2); /* with Ctrl held */
    one_key("\033[21~", K_F + 10);
    one_key("\033[Z", K_BACKTAB);
    one_key("\0332", K_ALT + '2');
    one_key("\014", K_CTRL + 'l');
    one_key("\303\251", 0xe9);
    one_key("\346\227\245", 0x65e5);
}

static void every_key_comes_back(void **state)
{
    (void)state;
    char bytes[8], name[16];
    const uint32_t codes[] = {K_ENTER, K_ESC,    K_UP,        K_HOME,       K_DELETE, K_F + 1,
                              K_F + 7, K_F + 12, K_ALT + '0', K_CTRL + 'p', 'x',      0x65e5};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        uint32_t again;
        size_t count = key_encode(codes[i], bytes);
        struct key keys[4];
        assert_int_equal(decode(bytes, count, keys, 4), 1);
        assert_int_equal(keys[0].code, codes[i]);
        assert_true(key_by_name(key_label(codes[i], name), &again));
        assert_int_equal(again, codes[i]);
    }
    uint32_t none;
    assert_false(key_by_name("F13", &none));
}

/* What follows something broken is not swallowed. */
static void broken_sequences(void **state)
{
    (void)state;
    struct key keys[16];
    assert_int_equal(decode("\303x", 2, keys, 16), 2);
    assert_int_equal(keys[0].code, 0xfffd);
    assert_int_equal(keys[1].code, 'x');
    assert_int_equal(decode("\033[99zx", 6, keys, 16), 1);
    assert_int_equal(keys[0].code, 'x');
    assert_int_equal(decode("\033\033[A", 4, keys, 16), 2);
    assert_int_equal(keys[0].code, K_ESC);
    assert_int_equal(keys[1].code, K_UP);
    assert_int_equal(decode("\302\233x", 3, keys, 16), 1); /* C1 */
}

/* Whatever bytes come: no crash, at most as many keys as bytes (and one for a cut-off), and plain
 * letters in between all come out. */
static void any_bytes(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (int round = 0; round < 2000; round++) {
        char bytes[64];
        struct key keys[160];
        size_t count = (size_t)(rand_r(&seed) % 60) + 1;
        for (size_t i = 0; i < count; i++)
            bytes[i] = (char)(rand_r(&seed) % 3 ? rand_r(&seed) % 256 : 27);
        bytes[count - 1] = 'Q';
        assert_true(decode(bytes, count, keys, 160) <= count + 1);
    }
}

static void pastes_are_text(void **state)
{
    (void)state;
    struct key keys[32];
    const char *bytes = "\033[200~40\r\033[12~\0335\033[201~a";
    size_t count = decode(bytes, strlen(bytes), keys, 32);
    assert_int_equal(count, 4); /* 4, 0, a blank, and a */
    for (int i = 0; i < 3; i++)
        assert_true(keys[i].pasted);
    assert_int_equal(keys[2].code, ' ');
    assert_false(keys[3].pasted);
    assert_int_equal(keys[3].code, 'a');
}

/* ------------------------------------------------------------- the scanner's rule */

struct typed {
    struct scan scan;
    char out[2048]; /* what came out: letters, <text> for a scan, E for Enter, ! for a repeat */
    bool in_field;
};

static void collect(struct typed *t, int64_t now_us)
{
    struct key key;
    bool repeated;
    while (scan_out(&t->scan, now_us, t->in_field, &key, &repeated)) {
        size_t used = strlen(t->out);
        if (key.code == K_SCAN)
            snprintf(t->out + used, sizeof t->out - used, "%s<%s>", repeated ? "!" : "", key.text);
        else if (key.code == K_ENTER || key.code >= K_SPECIAL)
            snprintf(t->out + used, sizeof t->out - used, "%s", key.code == K_ENTER ? "E" : "#");
        else
            snprintf(t->out + used, sizeof t->out - used, "%c", (char)key.code);
    }
}

static void press(struct typed *t, uint32_t code, int64_t at_us)
{
    struct key key = {.code = code, .at_us = at_us};
    for (int i = 0; i < 4 && !scan_in(&t->scan, &key, t->in_field); i++)
        collect(t, at_us);
    collect(t, at_us);
}

static void type(struct typed *t, const char *text, int64_t *at_us, int64_t gap_us)
{
    for (; *text; text++) {
        *at_us += gap_us;
        press(t, *text == '\r' ? K_ENTER : *text == '\t' ? K_TAB : (uint32_t)*text, *at_us);
    }
}

static void scans_are_told_from_typing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t gap_us;
        const char *out;
    } rows[] = {
        {"4006381333931\r", 2 * MS, "<4006381333931>"},
        {"4006381333931\t", 25 * MS, "<4006381333931>"}, /* just in time */
        {"4006\r", MS, "<4006>"},                        /* the least */
        {"400\r", MS, "400E"},                           /* too short */
        {"4006381333931\r", 26 * MS, "4006381333931E"},  /* too slow */
        {"4006381333931", MS, "4006381333931"},          /* no end */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct typed t = {.in_field = false};
        int64_t at_us = 1000 * MS;
        scan_init(&t.scan, "");
        type(&t, rows[i].text, &at_us, rows[i].gap_us);
        collect(&t, at_us + 100 * MS);
        assert_string_equal(t.out, rows[i].out);
    }
}

static void a_key_waits_no_longer(void **state)
{
    (void)state;
    struct typed t = {.in_field = false};
    scan_init(&t.scan, "");
    press(&t, 's', 1000 * MS);
    assert_string_equal(t.out, "");
    assert_true(scan_deadline_us(&t.scan) <= 1025 * MS + 1);
    collect(&t, scan_deadline_us(&t.scan));
    assert_string_equal(t.out, "s");
}

static void fields_get_keys_at_once(void **state)
{
    (void)state;
    struct typed t = {.in_field = true};
    int64_t at_us = 0;
    scan_init(&t.scan, "");
    type(&t, "4006381333931\r", &at_us, MS);
    assert_string_equal(t.out, "4006381333931E");
}

/* A key that opens a field lets what is held behind it through, in order. */
static void held_keys_follow_into_a_field(void **state)
{
    (void)state;
    struct typed t = {.in_field = false};
    int64_t at_us = 0;
    scan_init(&t.scan, "");
    type(&t, "/wi", &at_us, MS);
    t.in_field = true;
    collect(&t, at_us);
    assert_string_equal(t.out, "/wi");
}

static void a_prefix_settles_it(void **state)
{
    (void)state;
    struct typed t = {.in_field = false};
    int64_t at_us = 0;
    scan_init(&t.scan, "~");
    type(&t, "~12\r", &at_us, 80 * MS); /* slow, and short */
    type(&t, "12\r", &at_us, 80 * MS);
    collect(&t, at_us + 2000 * MS);
    assert_string_equal(t.out, "<12>12E");
}

static void the_same_scan_at_once_is_told(void **state)
{
    (void)state;
    struct typed t = {.in_field = false};
    int64_t at_us = 0;
    scan_init(&t.scan, "");
    type(&t, "40063\r", &at_us, MS);
    at_us += 200 * MS;
    type(&t, "40063\r", &at_us, MS);
    at_us += 400 * MS;
    type(&t, "40063\r", &at_us, MS);
    assert_string_equal(t.out, "<40063>!<40063><40063>");
}

/* Alt-2 stands for F2, which posts: within a burst it is the scanner's noise, whatever the mode. */
static void a_scanner_cannot_press_alt(void **state)
{
    (void)state;
    for (int field = 0; field < 2; field++) {
        struct typed t = {.in_field = field};
        int64_t at_us = 0;
        scan_init(&t.scan, "");
        type(&t, "400", &at_us, MS);
        press(&t, K_ALT + '2', at_us + MS);
        type(&t, "63\r", &at_us, MS);
        assert_string_equal(t.out, field ? "40063E" : "<40063>");
        press(&t, K_ALT + '2', at_us + 500 * MS); /* a person can */
        assert_true(strchr(t.out, '#') != NULL);
    }
}

static int64_t arrival(struct scan *scan, const char *bytes, int64_t now_us)
{
    return scan_arrival(scan, (const unsigned char *)bytes, strlen(bytes), now_us);
}

/* Kept from reading for longer than a scanner's gap: what has piled up follows without one. */
static void a_busy_machine_cuts_no_scan(void **state)
{
    (void)state;
    struct typed t = {.in_field = false};
    scan_init(&t.scan, "");
    int64_t at_us = arrival(&t.scan, "40", 5000 * MS);
    assert_int_equal(at_us, 5000 * MS);
    type(&t, "40", &at_us, 0);
    at_us = arrival(&t.scan, "06381\r", 5000 * MS + SCAN_STALL_US);
    assert_int_equal(at_us, 5000 * MS);
    type(&t, "06381\r", &at_us, 0);
    assert_string_equal(t.out, "<4006381>");
    /* One at a time is a person, and so are keys that send more than a character. */
    assert_int_equal(arrival(&t.scan, "4", 5100 * MS), 5100 * MS);
    assert_int_equal(arrival(&t.scan, "\033[A", 5200 * MS), 5200 * MS);
    assert_int_equal(arrival(&t.scan, "40", 5200 * MS + SCAN_STALL_US + 1),
                     5200 * MS + SCAN_STALL_US + 1);
}

/* Nothing is lost and nothing changes place, whatever comes when. */
static void no_key_is_lost(void **state)
{
    (void)state;
    unsigned seed = 3;
    for (int round = 0; round < 3000; round++) {
        struct typed t = {.in_field = false};
        char sent[256] = "", got[2048];
        int64_t at_us = 0;
        size_t count = (size_t)(rand_r(&seed) % 40) + 1, n = 0;
        scan_init(&t.scan, "");
        for (size_t i = 0; i < count; i++) {
            char c = rand_r(&seed) % 6 ? (char)('a' + rand_r(&seed) % 26) : '\r';
            sent[i] = c == '\r' ? 'E' : c;
            at_us += rand_r(&seed) % 3 ? MS : 40 * MS;
            press(&t, c == '\r' ? K_ENTER : (uint32_t)c, at_us);
        }
        sent[count] = '\0';
        collect(&t, at_us + 100 * MS);
        for (const char *p = t.out; *p; p++) { /* a scan is its letters and an Enter */
            if (*p == '>')
                got[n++] = 'E';
            else if (*p != '<' && *p != '!')
                got[n++] = *p;
        }
        got[n] = '\0';
        assert_string_equal(got, sent);
    }
}

static void long_bursts_come_out(void **state)
{
    (void)state;
    struct typed t = {.in_field = false};
    char text[1000];
    int64_t at_us = 0;
    memset(text, '7', sizeof text);
    text[sizeof text - 1] = '\0';
    scan_init(&t.scan, "");
    type(&t, text, &at_us, MS);
    collect(&t, at_us + 100 * MS);
    assert_string_equal(t.out, text);
}

/* ------------------------------------------------------------- fields */

static void put(struct form *form, const char *text)
{
    for (; *text; text++) {
        struct key key = {.code = *text == '\r' ? K_ENTER : (uint32_t)(unsigned char)*text};
        assert_true(form_key(form, &key));
    }
}

static void quantities(void **state)
{
    (void)state;
    static const struct {
        enum field_kind kind;
        const char *text;
        bool good;
    } rows[] = {
        {FIELD_QUANTITY, "12", true},
        {FIELD_QUANTITY, "999999", true},
        {FIELD_QUANTITY, "1000000", false},
        {FIELD_QUANTITY, "4006381333931", false},
        {FIELD_QUANTITY, "00042", false},
        {FIELD_QUANTITY, "1e3", false},
        {FIELD_QUANTITY, "-3", false},
        {FIELD_QUANTITY, "0", false},
        {FIELD_QUANTITY, " 3", false},
        {FIELD_QUANTITY, "", false},
        {FIELD_DELTA, "-3", true},
        {FIELD_DELTA, "+3", true},
        {FIELD_DELTA, "--3", false},
        {FIELD_DELTA, "0", false},
        {FIELD_DELTA, "-4006381333931", false},
        {FIELD_DURATION, "10m", true},
        {FIELD_DURATION, "10", false},
        {FIELD_DURATION, "31d", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct form form = {0};
        struct field *field = form_add(&form, rows[i].kind, "Quantity", "");
        field->required = true;
        put(&form, rows[i].text);
        if ((field_fault(field) == NULL) != rows[i].good)
            fail_msg("%s: %s", rows[i].text, field_fault(field) ? field_fault(field) : "good");
        assert_string_equal(field->text, rows[i].text); /* what was typed stays */
    }
}

static const char *choice(const void *data, size_t i, const char **name)
{
    static const char *const codes[] = {"damaged", "found", "theft"};
    (void)data;
    *name = "";
    return i < 3 ? codes[i] : NULL;
}

static void choices(void **state)
{
    (void)state;
    struct form form = {0};
    struct field *field = form_add(&form, FIELD_CHOICE, "Reason", "");
    field->choice = choice;
    field->required = true;
    assert_non_null(field_fault(field));
    put(&form, "f");
    assert_string_equal(field->text, "found");
    put(&form, "x");
    assert_string_equal(field->text, "fx");
    assert_non_null(field_fault(field));
    const struct key empty = {.code = K_CTRL + 'u'};
    assert_true(form_key(&form, &empty));
    assert_string_equal(field->text, "");
    struct key down = {.code = K_DOWN};
    assert_true(form_key(&form, &down));
    assert_string_equal(field->text, "damaged");
    assert_true(form_key(&form, &down));
    assert_string_equal(field->text, "found");
    field_set(field, "");
    put(&form, "4006381333931\r"); /* a scan into it */
    assert_non_null(field_fault(field));
}

static const char *late_choice(const void *data, size_t i, const char **name)
{
    return *(const bool *)data ? choice(NULL, i, name) : NULL;
}

/* What is typed before the list has come counts all the same. */
static void a_list_that_comes_late(void **state)
{
    (void)state;
    struct form form = {0};
    bool come = false;
    struct field *field = form_add(&form, FIELD_CHOICE, "Reason", "");
    field->choice = late_choice;
    field->choices = &come;
    put(&form, "dam");
    assert_string_equal(field->text, "dam");
    come = true;
    form_complete(&form);
    assert_string_equal(field->text, "damaged");
    field_set(field, "zzz");
    form_complete(&form);
    assert_string_equal(field->text, "zzz");
}

/* A scan moves through the fields and no further: there is nothing that Enter posts. */
static void enter_goes_to_the_next_field(void **state)
{
    (void)state;
    struct form form = {0};
    form_add(&form, FIELD_QUANTITY, "a", "");
    form_add(&form, FIELD_WORDS, "b", "");
    put(&form, "1\r\r");
    assert_int_equal(form.focus, 1);
    struct key f2 = {.code = K_F + 2};
    assert_false(form_key(&form, &f2));
}

static void a_number_filled_in_is_replaced(void **state)
{
    (void)state;
    struct form form = {0};
    struct field *field = form_add(&form, FIELD_QUANTITY, "a", "12");
    put(&form, "7");
    assert_string_equal(field->text, "7");
    put(&form, "5");
    assert_string_equal(field->text, "75");
}

/* Characters with so long between them, and Enter. */
static void enter_text(struct form *form, const char *text, int64_t gap_us, bool pasted)
{
    int64_t at_us = form->fields[form->focus].typed_at_us + 1000 * MS;
    for (; *text; text++, at_us += gap_us) {
        const struct key key = {.code = (unsigned char)*text, .pasted = pasted, .at_us = at_us};
        assert_true(form_key(form, &key));
    }
    const struct key enter = {.code = K_ENTER, .at_us = at_us};
    assert_true(form_key(form, &enter));
}

static void a_scan_does_not_go_behind_a_text(void **state)
{
    (void)state;
    struct form form = {.one_scan = true};
    struct field *field = form_add(&form, FIELD_WORDS, "Reference", "PO-9");
    form_add(&form, FIELD_WORDS, "Note", "");
    enter_text(&form, "WID-2", MS, false);
    assert_string_equal(field->text, "PO-9");
    assert_string_equal(form.refused, "WID-2");
    assert_int_equal(form.focus, 0);
    form.refused[0] = '\0';
    enter_text(&form, "/17b", 60 * MS, false); /* a person */
    assert_string_equal(field->text, "PO-9/17b");
    assert_int_equal(form.focus, 1);
    enter_text(&form, "4006381333931", MS, false); /* nothing was there */
    assert_string_equal(form.fields[1].text, "4006381333931");
    enter_text(&form, " pasted", MS, true);
    assert_string_equal(form.fields[1].text, "4006381333931 pasted");
    assert_string_equal(form.refused, "");
    /* an owner that does not ask for it gets everything */
    form.one_scan = false;
    enter_text(&form, "WID-2", MS, false);
    assert_string_equal(form.fields[1].text, "4006381333931 pastedWID-2");
}

static void editing(void **state)
{
    (void)state;
    struct form form = {0};
    struct field *field = form_add(&form, FIELD_WORDS, "Note", "");
    const struct key e = {.code = 0xe9}, left = {.code = K_LEFT}, home = {.code = K_HOME},
                     back = {.code = K_BACKSPACE}, del = {.code = K_DELETE};
    put(&form, "caf");
    assert_true(form_key(&form, &e));
    assert_true(form_key(&form, &left));
    put(&form, "x");
    assert_string_equal(field->text, "cafx\303\251");
    assert_true(form_key(&form, &del));
    assert_string_equal(field->text, "cafx");
    assert_true(form_key(&form, &back));
    assert_true(form_key(&form, &home));
    assert_true(form_key(&form, &back)); /* nothing is there */
    assert_string_equal(field->text, "caf");
}

/* ------------------------------------------------------------- the table of actions */

/* Every key of the table does one thing in a view, digits do nothing, and Alt-N is FN. */
static void one_key_one_action(void **state)
{
    (void)state;
    for (int a = 0; a < ACTIONS; a++) {
        for (int b = a + 1; b < ACTIONS; b++) {
            const struct action_row *p = &action_rows[a], *q = &action_rows[b];
            bool same = p->key == q->key || (p->other && p->other == q->key) ||
                        (q->other && q->other == p->key);
            if (same && (p->views & q->views))
                fail_msg("%s and %s have the same key", p->name, q->name);
        }
    }
    for (int view = 0; view < VIEWS; view++) {
        for (uint32_t digit = '0'; digit <= '9'; digit++) {
            uint32_t key = K_F + (digit == '0' ? 10 : digit - '0');
            assert_int_equal(action_of_key(digit, (enum view_id)view), ACTION_NONE);
            assert_int_equal(action_of_key(K_ALT + digit, (enum view_id)view),
                             action_of_key(key, (enum view_id)view));
        }
        assert_int_equal(action_of_key(K_F + 2, (enum view_id)view), ACTION_POST);
    }
}

/* ------------------------------------------------------------- lists */

/* The row after a key, or -2: not a list's. */
static int moved(uint32_t code, int count, int row)
{
    const struct key key = {.code = code};
    return list_move(&key, count, &row) ? row : -2;
}

static void rows_are_moved_over(void **state)
{
    (void)state;
    assert_int_equal(moved(K_DOWN, 3, 0), 1);
    assert_int_equal(moved('j', 3, 2), 2);
    assert_int_equal(moved(K_WHEEL_UP, 3, 2), 1);
    assert_int_equal(moved('k', 3, 0), 0);
    assert_int_equal(moved(K_END, 3, 0), 2);
    assert_int_equal(moved('g', 3, 2), 0);
    /* what was selected is gone, or nothing is there */
    assert_int_equal(moved(K_DOWN, 3, -1), 0);
    assert_int_equal(moved(K_UP, 3, -1), 0);
    assert_int_equal(moved(K_END, 0, -1), 0);
    assert_int_equal(moved(K_PAGE_DOWN, 3, 1), -2);
    assert_int_equal(moved('x', 3, -1), -2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences),
        cmocka_unit_test(every_key_comes_back),
        cmocka_unit_test(broken_sequences),
        cmocka_unit_test(any_bytes),
        cmocka_unit_test(pastes_are_text),
        cmocka_unit_test(scans_are_told_from_typing),
        cmocka_unit_test(a_key_waits_no_longer),
        cmocka_unit_test(fields_get_keys_at_once),
        cmocka_unit_test(held_keys_follow_into_a_field),
        cmocka_unit_test(a_prefix_settles_it),
        cmocka_unit_test(the_same_scan_at_once_is_told),
        cmocka_unit_test(a_scanner_cannot_press_alt),
        cmocka_unit_test(a_busy_machine_cuts_no_scan),
        cmocka_unit_test(no_key_is_lost),
        cmocka_unit_test(long_bursts_come_out),
        cmocka_unit_test(quantities),
        cmocka_unit_test(choices),
        cmocka_unit_test(a_list_that_comes_late),
        cmocka_unit_test(enter_goes_to_the_next_field),
        cmocka_unit_test(a_number_filled_in_is_replaced),
        cmocka_unit_test(a_scan_does_not_go_behind_a_text),
        cmocka_unit_test(editing),
        cmocka_unit_test(one_key_one_action),
        cmocka_unit_test(rows_are_moved_over),
    };
    setlocale(LC_ALL, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
