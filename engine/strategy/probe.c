/* strategy-probe OBJECT EVENT_NS_MAX [NAME=VALUE...]: tries a strategy out in this process, whatever becomes of it.
 *
 * Prints one JSON object; exit code 0, or 100 + enum loader_verdict. Any other end is the object's own doing: a signal,
 * an exit code of its own, or no end at all. No core file.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "engine/strategy/loader.h"

enum { EXIT_USAGE = 64 };

static bool read_parameter(const char *text, struct tailgate_parameter *parameter)
{
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : 0;
    char *end;
    if (length == 0 || length >= sizeof(parameter->name) || !equals[1])
        return false;
    memcpy(parameter->name, text, length);
    parameter->value = strtoll(equals + 1, &end, 10);
    return *end == 0;
}

int main(int count, char **arguments)
{
    static struct tailgate_parameter items[LOADER_PARAMETERS_MAX];
    struct tailgate_parameters parameters = {.items = items};
    struct loader_report report;
    const struct rlimit none = {0, 0}, cpu = {10, 10};
    if (count < 3 || count - 3 > LOADER_PARAMETERS_MAX)
        return EXIT_USAGE;
    for (int i = 3; i < count; i++)
        if (!read_parameter(arguments[i], &items[parameters.count++]))
            return EXIT_USAGE;
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_CPU, &cpu);
    loader_probe(arguments[1], &parameters, strtoull(arguments[2], NULL, 10), &report);
    for (char *letter = report.what; *letter; letter++)
        if (*letter == '"' || *letter == '\\' || (unsigned char)*letter < ' ')
            *letter = '\'';
    printf("{\"verdict\": %d, \"what\": \"%s\", \"name\": \"%s\", \"version\": \"%s\", \"letter\": \"%c\", "
           "\"state_bytes\": %" PRIu64 ", \"events\": %" PRIu64 ", \"orders\": %" PRIu64 ", \"call_ns_p50\": %" PRIu64
           ", \"call_ns_p99\": %" PRIu64 "}\n",
           report.verdict, report.what, report.name, report.version, report.letter ? report.letter : '?',
           report.state_bytes, report.events, report.orders, report.call_ns_p50, report.call_ns_p99);
    return report.verdict == LOADER_GOOD ? 0 : 100 + report.verdict;
}
