/*
 * capture - what jobs write to their standard output and error, kept up to a limit.
 *
 * Each job writes into a FIFO of its own, fifo(7), which lies in the folder pipe/
 * of the spool while the job runs; we read all of them through one epoll(7)
 * descriptor. A pipe(7) would do but for one thing: the FIFO's name is how the
 * next daemon finds whom we left running when we are killed. What is within the limit goes to a
 * file in the folder out/ of the spool, under the job's name; what is above is read all the
 * same, counted, and dropped: a job that floods neither fills the disk nor has
 * to wait for us.
 *
 * A job is over when its process has ended, not when its pipe has: whoever it
 * left behind may hold the other end for ever.
 */
#ifndef LABD_CAPTURE_H
#define LABD_CAPTURE_H

#include "failure.h"

#include <limits.h>

/* The output of one job. */
struct stream {
    char name[NAME_MAX + 1]; /* empty: this row of the table is free */
    int pipe;                /* read end; -1: everybody has closed the other */
    int file;
    long long kept; /* bytes in the file */
    long long lost; /* bytes that are not: above the limit, or the disk was full */
};

struct capture {
    struct stream *table;
    int size;        /* rows of the table */
    int epoll;       /* readable when there is output; -1: none is captured */
    int folder;      /* out/ */
    int pipes;       /* pipe/ */
    int ended;       /* processes that a daemon had left which was killed */
    long long limit; /* bytes of one job's output that are kept */
};

/*
 * capture_open - get ready to capture the output of at most size jobs at a time.
 *
 * Makes and opens the folders out/ and pipe/ of the spool at path; does nothing
 * if path is empty. Ends what a daemon has left that was killed: leftover_end.
 * Returns 0 or -errno, with nothing left open or allocated then.
 */
int capture_open(
    struct capture *capture, const char *path, int size, long long limit, struct failure *why);

/*
 * capture_begin - make a FIFO for the job's output, and an empty file for what is kept of it.
 *
 * The file takes the place of an earlier one of its name. Returns the write end
 * of the FIFO, which is close-on-exec and to be closed by the caller when the
 * job has it; or -errno, with nothing left open then.
 */
int capture_begin(struct capture *capture, const char *name, struct failure *why);

/*
 * capture_turn - read what has come: from each pipe once, at most 64 KiB.
 *
 * So one job cannot keep us from the others. Never waits.
 */
void capture_turn(struct capture *capture);

/*
 * capture_end - the job is over: read what is in its FIFO, close it and the file, and remove
 * the FIFO.
 *
 * Reads at most as much as a pipe can hold, 1 MiB (pipe(7), pipe-max-size):
 * whoever still writes must not keep us. kept and lost get the number of
 * bytes, 0 for a name that is not captured.
 */
void capture_end(struct capture *capture, const char *name, long long *kept, long long *lost);

/* capture_close - close everything that is open, remove its FIFOs, and free the table. */
void capture_close(struct capture *capture);

#endif
