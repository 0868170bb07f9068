#include "pages.h"

#include "exposition.h"

#include <string.h>

static struct answer make_metrics(const struct pages *pages) {
    struct counters counters;

    metrics_read(pages->metrics, &counters);
    return (struct answer){
        200, "text/plain; version=0.0.4; charset=utf-8", exposition_metrics(&counters)};
}

static struct answer make_page(const struct pages *pages) {
    char alive[PAGES_LINE], ready[PAGES_LINE];
    struct counters counters;

    pages->alive(pages->user, alive);
    pages->ready(pages->user, ready);
    metrics_read(pages->metrics, &counters);
    return (struct answer){
        200, "text/html; charset=utf-8", exposition_page(&counters, alive, ready)};
}

static struct answer make_health(const struct pages *pages) {
    char line[PAGES_LINE];
    bool alive = pages->alive(pages->user, line);

    return answer_plain(alive ? 200 : 503, line);
}

static struct answer make_readiness(const struct pages *pages) {
    char line[PAGES_LINE];
    bool ready = pages->ready(pages->user, line);

    return answer_plain(ready ? 200 : 503, line);
}

static const struct page {
    const char *path;
    struct answer (*make)(const struct pages *pages);
} all[] = {{"/healthz", make_health}, {"/readyz", make_readiness}, {"/metrics", make_metrics},
    {"/", make_page}};

struct answer pages_find(const struct pages *pages, const char *method, const char *path) {
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(path, all[i].path) != 0)
            continue;
        if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
            return answer_plain(405, "method not allowed\n");
        return all[i].make(pages);
    }
    return answer_plain(404, "not found\n");
}
