/*
 * listener - a socket at which nobody but this machine can knock.
 *
 * What is hard about it is the path of a Unix socket: it stays when a daemon is killed, and
 * who removes it may be removing another's.
 */
#ifndef LABD_LISTENER_H
#define LABD_LISTENER_H

#include "failure.h"

#include <limits.h>
#include <sys/types.h>

struct listener {
    int fd;                     /* -1: there is none */
    char address[PATH_MAX + 8]; /* where it listens, with the real port */
    dev_t device;               /* of the socket's path, with inode: to know it again */
    ino_t inode;                /* 0: there is no path */
};

/*
 * listener_open - listen at address.
 *
 * address is "127.0.0.1:PORT", "[::1]:PORT" or "unix:/absolute/path", as the configuration
 * checks it. The socket is non-blocking and close-on-exec, and listens when this returns.
 *
 * TCP: with SO_REUSEADDR, so that connections of our predecessor that the kernel still
 * remembers are not in the way, and IPV6_V6ONLY for [::1]. Port 0: the kernel chooses;
 * listener->address then has the port that it chose.
 *
 * unix: the path of a daemon that was killed stays, and is in the way: bind(2) fails with
 * EADDRINUSE whether anybody listens there or not. So, in this order:
 *
 * 1. Open the folder (O_DIRECTORY); one that everybody may write to is refused with -EPERM.
 * 2. flock(2) it, exclusive: of two that start at once one is to look and bind before the other
 *    looks. It may be at another path in this folder, so wait for it, with LOCK_NB every 10 ms;
 *    -EADDRINUSE when another still holds it after 2 s.
 * 3. If there is something at the path (lstat(2)): what is not a socket is refused with
 *    -ENOTSOCK. To a socket connect(2), without waiting. Only with ECONNREFUSED nobody
 *    listens: remove it. Else it is another's: -EADDRINUSE, and it is not touched.
 * 4. bind(2) with the mode 0660: by fchmod(2) before it, so that nobody is quicker than
 *    we, and by chmod(2) after it, for bind(2) obeys the umask. Remember device and inode of
 *    the path; listen(2). Close the folder.
 *
 * A path that is too long for sockaddr_un: -ENAMETOOLONG. unix(7), tcp(7), ip(7), ipv6(7).
 *
 * Returns 0 or -errno; a failure names call and address, and leaves neither socket nor path.
 */
int listener_open(struct listener *listener, const char *address, struct failure *why);

/*
 * listener_close - close the socket.
 *
 * Its path is removed while we still listen, and only if it is still ours by device and inode:
 * so nobody can take it over in between. Does nothing where there is none.
 */
void listener_close(struct listener *listener);

#endif
