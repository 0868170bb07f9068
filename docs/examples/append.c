#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(int fd, const char *line) {
    if (write(fd, line, strlen(line)) < 0)
        perror("write");
}

int main(int argc, char *argv[]) {
    int append = argc > 1 && strcmp(argv[1], "append") == 0 ? O_APPEND : 0;

    unlink("file");
    int first = open("file", O_WRONLY | O_CREAT | append, 0640);
    int second = open("file", O_WRONLY | O_CREAT | append, 0640); /* another process, say */
    say(first, "one\n");
    say(second, "two\n");
    system("od -An -c file");
    if (truncate("file", 0) < 0)
        perror("truncate");
    say(first, "three\n");
    system("od -An -c file");
    return 0;
}
