#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    int fd = open("precious", O_WRONLY | O_CREAT | O_TRUNC, 0600);

    write(fd, "precious data\n", 14);
    dprintf(STDERR_FILENO, "the file is descriptor %d\n", fd);
    printf("just a message\n");
    return 0;
}
