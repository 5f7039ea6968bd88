/* The smallest test harness: checks with a message, tests with a name, a count at the end.
 *
 * A failed check is printed with its place and the test goes on; check_result() is main's return value.
 */
#ifndef TESTS_ENGINE_CHECK_H
#define TESTS_ENGINE_CHECK_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

static unsigned check_count, check_failure_count;
static const char *check_test_name = "";

static inline void check_that(bool condition, const char *message, const char *file, int line)
{
    check_count++;
    if (condition)
        return;
    check_failure_count++;
    fprintf(stderr, "%s:%d: %s: %s\n", file, line, check_test_name, message);
}

static inline void check_equal_that(uint64_t observed, uint64_t expected, const char *what, const char *file, int line)
{
    check_count++;
    if (observed == expected)
        return;
    check_failure_count++;
    fprintf(stderr, "%s:%d: %s: %s is %" PRIu64 ", expected %" PRIu64 "\n", file, line, check_test_name, what, observed,
            expected);
}

static inline int check_result(void)
{
    printf("%u checks, %u failed\n", check_count, check_failure_count);
    return check_failure_count == 0 ? 0 : 1;
}

#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(observed, expected)                                                                                \
    check_equal_that((uint64_t)(observed), (uint64_t)(expected), #observed, __FILE__, __LINE__)
#define RUN(test) (check_test_name = #test, test())

#endif
