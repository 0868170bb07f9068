#include "exposition.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define VERSION "0.1.0"
#define LANGUAGE "c"

/* --- what the kernel knows about us --- */

/* Reads a small file of /proc into text; whether it could. */
static bool read_file(const char *path, char *text, size_t size) {
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return false;
    size_t length = fread(text, 1, size - 1, file);
    text[length] = '\0';
    fclose(file);
    return length > 0;
}

/* Seconds from the machine's boot to our start; negative: unknown. proc_pid_stat(5), field 22.
 */
static double started_after_boot(void) {
    char text[1024];
    long long ticks;

    if (!read_file("/proc/self/stat", text, sizeof text))
        return -1;
    const char *rest = strrchr(text, ')'); /* the name before it may hold anything */
    const char *skip =
        " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d"
        " %*d %lld";
    if (rest == NULL || sscanf(rest + 1, skip, &ticks) != 1)
        return -1;
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static double uptime(void) {
    double started = started_after_boot();
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return started < 0 ? -1 : (double)now.tv_sec + (double)now.tv_nsec / 1e9 - started;
}

/* When the machine was booted, in seconds since 1970; negative: unknown. proc_stat(5), btime.
 */
static double booted(void) {
    FILE *file = fopen("/proc/stat", "re");
    char *line = NULL;
    size_t size = 0;
    long long seconds = -1;

    while (file != NULL && seconds < 0 && getline(&line, &size, file) > 0)
        if (sscanf(line, "btime %lld", &seconds) != 1)
            seconds = -1;
    free(line);
    if (file != NULL)
        fclose(file);
    return (double)seconds;
}

/* From what does not change while we run. What is reckoned back from now is a little different
 * each time, and to Prometheus' changes() that is one restart after the other. */
static double started_at(void) {
    double boot = booted(), started = started_after_boot();

    return boot < 0 || started < 0 ? -1 : boot + started;
}

static int open_descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    int count = -3; /* ".", "..", and the folder itself */

    if (folder == NULL)
        return -1;
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

static double resident_bytes(void) {
    char text[256];
    long long pages;

    if (!read_file("/proc/self/statm", text, sizeof text) ||
        sscanf(text, "%*d %lld", &pages) != 1)
        return -1;
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* --- for Prometheus --- */

static void begin(FILE *out, const char *name, const char *type, const char *help) {
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A family with one value and no labels; none if the value is negative. */
static void single(
    FILE *out, const char *name, const char *type, const char *help, double value) {
    if (value < 0)
        return;
    begin(out, name, type, help);
    fprintf(out, "%s %.17g\n", name, value);
}

/* A family of two values that differ in the label "result". */
static void pair(FILE *out, const char *name, const char *help, const char *const results[2],
    unsigned long first, unsigned long second) {
    begin(out, name, "counter", help);
    fprintf(out, "%s{result=\"%s\"} %lu\n", name, results[0], first);
    fprintf(out, "%s{result=\"%s\"} %lu\n", name, results[1], second);
}

/* Each bucket counts those of the smaller ones, too. */
static void histogram(FILE *out, const struct counters *counters) {
    const char *name = "labd_job_duration_seconds";
    unsigned long count = 0;

    begin(out, name, "histogram", "How long jobs ran, from start to end.");
    for (int i = 0; i < METRICS_BOUNDS; i++) {
        double bound = metrics_bounds[i];
        count += counters->buckets[i];
        fprintf(out,
            bound < 1 || bound == 2.5 ? "%s_bucket{le=\"%g\"} %lu\n"
                                      : "%s_bucket{le=\"%.1f\"} %lu\n",
            name, bound, count);
    }
    count += counters->buckets[METRICS_BOUNDS];
    fprintf(out, "%s_bucket{le=\"+Inf\"} %lu\n%s_count %lu\n%s_sum %.17g\n", name, count, name,
        count, name, (double)counters->milliseconds / 1000);
}

static void write_metrics(FILE *out, const struct counters *counters) {
    begin(out, "labd_build_info", "gauge", "Which labd this is; the value is always 1.");
    fputs("labd_build_info{language=\"" LANGUAGE "\",version=\"" VERSION "\"} 1\n", out);
    single(out, "labd_uptime_seconds", "gauge", "Time since the process started.", uptime());
    pair(out, "labd_jobs_total", "Jobs that have ended, by result.",
        (const char *const[]){"done", "failed"}, counters->done, counters->failed);
    histogram(out, counters);
    single(out, "labd_jobs_running", "gauge", "Jobs that run now.", counters->running);
    single(out, "labd_queue_length", "gauge", "Jobs that waited at the last look.",
        counters->queue);
    pair(out, "labd_reloads_total", "Times that the configuration was read again, by result.",
        (const char *const[]){"good", "bad"}, counters->reloads, counters->bad_reloads);
    single(out, "labd_children_reaped_total", "counter",
        "Children whose status was taken, orphans too.", (double)counters->reaped);
    single(out, "labd_log_lines_lost_total", "counter",
        "Lines of the log that could not be written.", (double)counters->lost);
    single(out, "process_start_time_seconds", "gauge",
        "When the process started, in seconds since 1970.", started_at());
    single(out, "process_open_fds", "gauge", "File descriptors that are open.",
        open_descriptors());
    single(out, "process_resident_memory_bytes", "gauge", "Memory that is resident.",
        resident_bytes());
}

/* --- for people --- */

static void escape(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        const char *entity = *text == '<'    ? "&lt;"
                             : *text == '>'  ? "&gt;"
                             : *text == '&'  ? "&amp;"
                             : *text == '"'  ? "&quot;"
                             : *text == '\'' ? "&#x27;"
                                             : NULL;
        if (entity != NULL)
            fputs(entity, out);
        else if (*text != '\n')
            fputc(*text, out);
    }
}

static void row(FILE *out, const char *name, const char *path, const char *text) {
    bool good = strcmp(text, "ok\n") == 0;

    fprintf(out, "<tr><th><a href=\"%s\">%s</a></th><td class=\"%s\">", path, name,
        good ? "good" : "bad");
    escape(out, good ? "yes" : text);
    fputs("</td></tr>\n", out);
}

static void number(FILE *out, const char *name, unsigned long value) {
    fprintf(out, "<tr><th>%s</th><td>%lu</td></tr>\n", name, value);
}

static void write_uptime(FILE *out) {
    double seconds = uptime();
    long long whole = (long long)seconds;

    if (seconds >= 0)
        fprintf(out, "<tr><th>Running for</th><td>%lld d %02lld:%02lld:%02lld</td></tr>\n",
            whole / 86400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
}

/* The system's own fonts and colours: dark where the reader has it dark. */
static const char head[] =
    "<!doctype html>\n"
    "<html lang=\"en\">\n"
    "<head>\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<title>labd</title>\n"
    "<style>\n"
    ":root { color-scheme: light dark; }\n"
    "body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto;"
    " padding: 0 1rem; }\n"
    "table { border-collapse: collapse; width: 100%; }\n"
    "th, td { text-align: left; padding: .3rem 0; border-bottom: 1px solid #8886; }\n"
    "th { font-weight: normal; width: 12rem; vertical-align: top; }\n"
    "td { font-variant-numeric: tabular-nums; }\n"
    ".good::before { content: \"\\2713  \"; }\n"
    ".bad::before { content: \"\\2717  \"; }\n"
    ".bad { font-weight: bold; }\n"
    "</style>\n"
    "</head>\n";

static void write_page(
    FILE *out, const struct counters *counters, const char *alive, const char *ready) {
    fputs(head, out);
    fputs("<body>\n<h1>labd</h1>\n<p>Version " VERSION
          ", in C. As it is now; reload for news.</p>\n<table>\n",
        out);
    row(out, "Alive", "/healthz", alive);
    row(out, "Ready", "/readyz", ready);
    write_uptime(out);
    number(out, "Jobs running", (unsigned long)counters->running);
    number(out, "Jobs waiting", (unsigned long)counters->queue);
    number(out, "Jobs done", counters->done);
    number(out, "Jobs failed", counters->failed);
    fputs("</table>\n<p>All numbers, for Prometheus: <a href=\"/metrics\">/metrics</a></p>\n"
          "</body>\n</html>\n",
        out);
}

/* --- both --- */

/* What was written, once the stream is closed: then alone text is of use. open_memstream(3). */
static char *finish(FILE *out, char **text) {
    bool bad = ferror(out) != 0;

    if (fclose(out) == 0 && !bad)
        return *text;
    free(*text);
    return NULL;
}

char *exposition_metrics(const struct counters *counters) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        return NULL;
    write_metrics(out, counters);
    return finish(out, &text);
}

char *exposition_page(const struct counters *counters, const char *alive, const char *ready) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        return NULL;
    write_page(out, counters, alive, ready);
    return finish(out, &text);
}
