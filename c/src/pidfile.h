/*
 * Lab 4: pidfile - one daemon at a time, and a file that says which.
 *
 * The lock is the truth, the number in the file is only news of it. The kernel
 * drops a lock when its holder dies, however it dies; a file stays behind. So
 * whoever gets the lock is the daemon, and whatever number it finds in the
 * file is stale, be there a process with that number or not.
 */
#ifndef LABD_PIDFILE_H
#define LABD_PIDFILE_H

#include "failure.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct pidfile {
    int fd;        /* holds the lock; -1: there is no PID file */
    int directory; /* the folder it lies in: a rename of that changes nothing for us */
    char name[NAME_MAX + 1];
    bool made;      /* the file was not there before us */
    pid_t owner;    /* who took the lock: a child that has a copy of this is not the owner */
    char stale[32]; /* what was found in the file, one line; empty for a new or empty file */
};

/*
 * pidfile_acquire - become the one daemon that owns the file at path, or fail.
 *
 * To be called in the process that will live, after the last fork(2). In this
 * order:
 *
 * 1. Open the folder (O_DIRECTORY). One that everybody may write to is refused
 *    with -EPERM, sticky or not: anybody could put a file there first.
 * 2. Make the file in it (O_CREAT, O_EXCL, mode 0644), or, where there is one
 *    already, open that; so that we know whether it is of our making. O_RDWR,
 *    O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK (a FIFO must not make us wait). A
 *    symbolic link gives -ELOOP. What is not a regular file, or has another
 *    name too, is refused with -EINVAL.
 * 3. flock(2), exclusive, without waiting. Held by another: the exit code is
 *    EXIT_ALREADY_RUNNING, the text names the number that the file holds, and
 *    -EWOULDBLOCK is returned. (Who looks just as the holder takes over, before
 *    its step 5, still reads the number that was there, or none.)
 * 4. Look whether the path still leads to the file we locked (device and
 *    inode): its last owner may have removed it between our open and our lock.
 *    If not, close it and begin again at 2.
 * 5. Remember what the file held, and truncate it at once. Give it the mode
 *    0644, whatever the umask is and whatever mode it had: who may write the
 *    number decides whom root will signal. Write our number and a newline,
 *    fsync(2).
 *
 * On failure nothing is left open, and a file that we made is removed, unless
 * another holds its lock: then it is the other's. One that we had locked is
 * removed in any case.
 * Returns 0 or -errno. daemon(7) step 12; flock(2), open(2), fstat(2), fchmod(2).
 */
int pidfile_acquire(struct pidfile *pidfile, const char *path, struct failure *why);

/*
 * pidfile_release - remove the file, if it is ours, and then let the lock go.
 *
 * Only the process that took the lock removes it, and only while the path
 * still leads to the locked file: never another's. In this order, for between
 * the two another daemon may come: the file it has opened is then gone from
 * its path, and it begins again (step 4 above).
 * Does nothing when there is no PID file.
 */
void pidfile_release(struct pidfile *pidfile);

#endif
