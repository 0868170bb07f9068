/*
 * exposition - the numbers of the daemon as text: for Prometheus, and for people.
 *
 * Names and units as node_exporter has them: a counter ends with _total, a time
 * is in seconds, a size in bytes. What the kernel knows about the process has
 * the names that Prometheus' own libraries give it. Where a number cannot be
 * had, its family is missing: 0 would be a lie.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
#ifndef LABD_EXPOSITION_H
#define LABD_EXPOSITION_H

#include "metrics.h"

/* exposition_metrics - the text format, version 0.0.4. Of malloc(3), or NULL without memory. */
char *exposition_metrics(const struct counters *counters);

/* exposition_page - a page of HTML. alive and ready are lines of plain text, "ok" among them:
 * what /healthz and /readyz say now. Of malloc(3), or NULL without memory. */
char *exposition_page(const struct counters *counters, const char *alive, const char *ready);

#endif
