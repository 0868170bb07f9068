#include "answer.h"

#include <stdlib.h>
#include <string.h>

struct answer answer_plain(unsigned status, const char *text) {
    return (struct answer){status, "text/plain; charset=utf-8", strdup(text)};
}

enum MHD_Result answer_queue(struct MHD_Connection *connection, struct answer answer) {
    if (answer.body == NULL)
        return MHD_NO;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(answer.body), answer.body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(answer.body);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (answer.status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result queued = MHD_queue_response(connection, answer.status, response);
    MHD_destroy_response(response);
    return queued;
}
