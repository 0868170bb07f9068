/*
 * pages - which pages there are, and what each of them says.
 *
 * - /healthz: 200 "ok", or 503 and what is wrong: whoever asks may start us anew.
 * - /readyz: 200 "ok", or 503 and why not: whoever asks should not send us work now. To start
 *   us anew would not help.
 * - /metrics: 200, Prometheus' text format.
 * - /: 200, a page for people.
 */
#ifndef LABD_PAGES_H
#define LABD_PAGES_H

#include "answer.h"
#include "metrics.h"

#include <stdbool.h>

enum { PAGES_LINE = 600 };

/* Whether all is well: writes the line that says so, "ok\n", or that says what is not. */
typedef bool pages_ask(void *user, char line[PAGES_LINE]);

/* Who is asked. Each anew for each request; /healthz does not ask ready, nor /readyz alive. */
struct pages {
    pages_ask *alive;
    pages_ask *ready;
    void *user; /* for both */
    struct metrics *metrics;
};

/*
 * pages_find - the answer to a request. Its body is the caller's.
 *
 * To each page come GET and HEAD, which get the same from us; other methods get 405. Other
 * paths get 404. The path counts as it stands: nothing in it is decoded.
 */
struct answer pages_find(const struct pages *pages, const char *method, const char *path);

#endif
