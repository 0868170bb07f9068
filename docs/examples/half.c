/* Take three things; the third fails. What is left? */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int take(const char *name) {
    int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);

    if (fd < 0)
        perror(name);
    return fd < 0 ? -1 : close(fd);
}

int main(void) {
    if (take("lock") < 0 || take("socket") < 0 || take("nowhere/database") < 0)
        return 1;
    return 0;
}
