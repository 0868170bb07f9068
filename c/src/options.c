#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char options_usage[] =
    "usage: labd [--lab N] [--foreground] [--check] [-c CONFIG]\n"
    "  -c, --config CONFIG  the INI file (none: the defaults)\n"
    "  --check              only say whether CONFIG is good\n"
    "  --foreground         do not detach: for a service manager, or a debugger\n"
    "  --lab N              only the steps of labs 1 to N (all: 13)\n"
    "  -h, --help           this text\n"
    "exit codes: 0 started or stopped cleanly, 1 failed, 2 usage, 3 already running,\n"
    "            78 bad configuration\n";

enum { CHECK = 256, FOREGROUND, LAB }; /* no letters: these have only a long name */

static const struct option names[] = {
    {"config", required_argument, NULL, 'c'},
    {"check", no_argument, NULL, CHECK},
    {"foreground", no_argument, NULL, FOREGROUND},
    {"lab", required_argument, NULL, LAB},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static bool refuse(const char *word, const char *why) {
    fprintf(stderr, "labd: %s: %s\n%s", word, why, options_usage);
    return false;
}

static bool in_full(const char *word) {
    for (const struct option *option = names; option->name != NULL; option++) {
        size_t length = strlen(option->name);
        if (strncmp(word, option->name, length) == 0 &&
            (word[length] == '=' || word[length] == '\0'))
            return true;
    }
    return word[0] == '\0'; /* "--" ends the options */
}

/* getopt_long(3) takes "--la" for "--lab": until there is another option like it. */
static bool all_in_full(char *words[]) {
    for (; *words != NULL; words++)
        if (strncmp(*words, "--", 2) == 0 && !in_full(*words + 2))
            return refuse(*words, "unknown option");
    return true;
}

/* By its long name, if it has one. */
static bool refuse_option(int letter) {
    char word[32];

    snprintf(word, sizeof word, "-%c", letter);
    for (const struct option *option = names; option->name != NULL; option++)
        if (option->val == letter)
            snprintf(word, sizeof word, "--%s", option->name);
    return refuse(word, "unknown option, missing value or unwanted value");
}

static bool read_lab(int *lab, const char *text) {
    size_t digits = strspn(text, "0123456789");
    long number = strtol(text, NULL, 10);
    char why[64];

    if (digits == 0 || text[digits] != '\0' || number < 1 || number > LAST_LAB) {
        snprintf(why, sizeof why, "--lab expects a number from 1 to %d", LAST_LAB);
        return refuse(text, why);
    }
    *lab = (int)number;
    return true;
}

bool options_read(struct options *options, int argc, char *argv[]) {
    const char *lab = NULL;
    int letter;

    *options = (struct options){.lab = LAST_LAB};
    if (!all_in_full(argv + 1))
        return false;
    opterr = 0; /* the complaints are ours */
    while ((letter = getopt_long(argc, argv, "c:h", names, NULL)) != -1) {
        if (letter == 'c')
            options->config = optarg;
        else if (letter == CHECK)
            options->check = true;
        else if (letter == FOREGROUND)
            options->foreground = true;
        else if (letter == LAB)
            lab = optarg;
        else if (letter == 'h')
            options->help = true;
        else
            return refuse_option(optopt);
    }
    if (optind < argc)
        return refuse(argv[optind], "unexpected argument");
    return lab == NULL || read_lab(&options->lab, lab);
}

void options_settle(struct options *options) {
    char directory[PATH_MAX];

    if (options->config == NULL || options->config[0] == '/' ||
        getcwd(directory, sizeof directory) == NULL ||
        strlen(directory) + strlen(options->config) + sizeof "/" > sizeof options->path)
        return;
    size_t length = strlen(directory);
    memcpy(options->path, directory, length);
    options->path[length] = '/';
    strcpy(options->path + length + 1, options->config);
    options->config = options->path;
}
