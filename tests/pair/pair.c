/*
 * For each path on standard input: the configuration there, or what is wrong with it.
 *
 * One line each: "0 KEY=VALUE …", with text in hexadecimal; or the exit code and the failure,
 * in hexadecimal. Twin of pair.py.
 */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static void show(const char *name, const char *text) {
    printf(" %s=", name);
    for (; *text != '\0'; text++)
        printf("%02x", (unsigned char)*text);
}

static void show_config(const struct config *config) {
    show("directory", config->directory);
    show("log", config->log);
    show("log_level", config->log_level);
    show("pidfile", config->pidfile);
    printf(" umask=%o warmup=%d drain=%d", (unsigned)config->umask, config->warmup, config->drain);
    show("spool", config->spool);
    printf(" workers=%d poll_interval=%d", config->workers, config->poll_interval);
    printf(" job_timeout=%d job_grace=%d", config->job_timeout, config->job_grace);
    show("database", config->database);
    printf(" output_limit=%d", config->output_limit);
    show("runner", config->runner);
    show("image", config->image);
    show("listen", config->listen);
    printf(" report_interval=%d stop_timeout=%d worker_timeout=%d", config->report_interval,
        config->stop_timeout, config->worker_timeout);
}

int main(void) {
    char path[PATH_MAX];
    struct config config;
    struct failure why;

    while (fgets(path, sizeof path, stdin) != NULL) {
        path[strcspn(path, "\n")] = '\0';
        int error = config_load(&config, path, &why);
        printf("%d", error == 0 ? 0 : why.exit_code);
        if (error == 0)
            show_config(&config);
        else
            show("why", why.text);
        puts("");
        fflush(stdout);
    }
    return 0;
}
