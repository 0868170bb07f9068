/*
 * answer - what is said to one request of HTTP, and its way into the library.
 */
#ifndef LABD_ANSWER_H
#define LABD_ANSWER_H

#include <microhttpd.h>

struct answer {
    unsigned status;
    const char *type; /* a constant: the media type */
    char *body;       /* of malloc(3), or NULL when there was no memory */
};

/* answer_plain - a line of plain text, which is copied. */
struct answer answer_plain(unsigned status, const char *text);

/*
 * answer_queue - give an answer to libmicrohttpd, and its body with it.
 *
 * With Content-Type, Cache-Control: no-store, Connection: close and, where the status is 405,
 * Allow: GET, HEAD. The library leaves out the body where HEAD has asked. Returns what the
 * library wants to hear from its MHD_AccessHandlerCallback: MHD_NO, which ends the
 * connection, when there was no memory.
 */
enum MHD_Result answer_queue(struct MHD_Connection *connection, struct answer answer);

#endif
