/* SPDX-License-Identifier: MIT
 *
 * A planted slow disk, loaded into real programs with LD_PRELOAD by tests/faults/32-overload.py:
 * each COMMIT of a worker takes HOLDFAST_PLANT_COMMIT_MS longer. What workers can do is then
 * bounded by waiting, and not by the processors that the test itself needs to overload them.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int mysql_real_query(void *mysql, const char *text, unsigned long length);

int mysql_real_query(void *mysql, const char *text, unsigned long length)
{
    static int (*real)(void *, const char *, unsigned long);
    const char *wanted = getenv("HOLDFAST_PLANT_COMMIT_MS");
    long ms = wanted ? atol(wanted) : 0;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "mysql_real_query");
    if (ms > 0 && length == strlen("COMMIT") && memcmp(text, "COMMIT", length) == 0 &&
        strcmp(program_invocation_short_name, "holdfast-worker") == 0)
        nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
    return real(mysql, text, length);
}
