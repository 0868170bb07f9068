#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char *argv[]) {
    char word[16];
    int ends[2];

    if (argc < 2 || pipe(ends) < 0)
        return 2;
    if (fork() == 0) {
        if (strcmp(argv[1], "ready") == 0)
            write(ends[1], "ready", 5);
        _exit(0); /* its write end closes here */
    }
    if (strcmp(argv[1], "forget") != 0)
        close(ends[1]);
    ssize_t n = read(ends[0], word, sizeof word);
    if (n == 0)
        puts("end of file: it ended without a word");
    else
        printf("heard: %.*s\n", (int)n, word);
    return n == 0;
}
