#include "engine/io/dpdk_environment.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <xdp/libxdp.h>

enum {
    ARGUMENTS_MAX = 16,
    ARGUMENT_BYTES = 96,
    PCI_BYTES_MAX = 12, /* 0000:00:00.0 */
    COMPLAINT_BYTES = 192,
    HUGE_PAGE_KB = 2048,
};

static bool made, huge_pages;
static char complaint[COMPLAINT_BYTES];

const char *dpdk_complaint(void)
{
    return complaint;
}

void dpdk_complaint_forget(void)
{
    complaint[0] = 0;
}

static ssize_t keep_first_line(void *cookie, const char *bytes, size_t size)
{
    (void)cookie;
    if (complaint[0] == 0) {
        snprintf(complaint, sizeof(complaint), "%.*s", (int)size, bytes);
        complaint[strcspn(complaint, "\n")] = 0;
    }
    return (ssize_t)size;
}

static int keep_first_warning(const char *format, va_list values)
{
    if (complaint[0] == 0) {
        vsnprintf(complaint, sizeof(complaint), format, values);
        complaint[strcspn(complaint, "\n")] = 0;
    }
    return 0;
}

static int from_libbpf(enum libbpf_print_level level, const char *format, va_list values)
{
    return level == LIBBPF_WARN ? keep_first_warning(format, values) : 0;
}

static int from_libxdp(enum libxdp_print_level level, const char *format, va_list values)
{
    return level == LIBXDP_WARN ? keep_first_warning(format, values) : 0;
}

/* Of DPDK, and of what net_af_xdp's driver stands on. */
static void catch_log(void)
{
    libbpf_set_print(from_libbpf);
    libxdp_set_print(from_libxdp);
    FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = keep_first_line});
    if (!stream)
        return;
    setvbuf(stream, NULL, _IONBF, 0);
    rte_openlog_stream(stream);
}

bool dpdk_environment_huge(void)
{
    return huge_pages;
}

bool dpdk_is_pci(const char *device)
{
    unsigned domain, bus, slot, function;
    int end = 0;
    size_t length = strcspn(device, ",");
    if (sscanf(device, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) == 4 && (size_t)end == length)
        return true;
    return sscanf(device, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) == 3 && (size_t)end == length;
}

/* Megabytes in free huge pages of 2 MB. */
static unsigned long free_huge_mb(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
    if (file && fscanf(file, "%lu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * HUGE_PAGE_KB / 1024;
}

struct arguments {
    int count;
    char text[ARGUMENTS_MAX][ARGUMENT_BYTES];
    char *pointers[ARGUMENTS_MAX + 1];
};

__attribute__((format(printf, 2, 3))) static void add(struct arguments *arguments, const char *format, ...)
{
    if (arguments->count == ARGUMENTS_MAX)
        return;
    va_list values;
    va_start(values, format);
    vsnprintf(arguments->text[arguments->count], ARGUMENT_BYTES, format, values);
    va_end(values);
    arguments->pointers[arguments->count] = arguments->text[arguments->count];
    arguments->count++;
}

static bool allow(struct arguments *arguments, const char *device)
{
    if (!device || !dpdk_is_pci(device))
        return false;
    add(arguments, "-a");
    add(arguments, "%s", device);
    return true;
}

static void arrange(struct arguments *arguments, const struct dpdk_options *options, int cpu)
{
    add(arguments, "engine");
    add(arguments, "--no-telemetry");
    add(arguments, "--log-level=%d", (int)RTE_LOG_ERR);
    add(arguments, "--file-prefix=engine-%d", (int)getpid());
    add(arguments, "--lcores=0@%d", cpu);
    add(arguments, "-m");
    add(arguments, "%d", DPDK_MEMORY_MB);
    if (huge_pages) {
        add(arguments, "--in-memory");
    } else {
        add(arguments, "--no-huge");
        add(arguments, "--no-shconf");
    }
    bool first = allow(arguments, options->device), second = allow(arguments, options->others);
    if (!first && !second)
        add(arguments, "--no-pci");
}

/* The threads that DPDK starts go where the process may run, but for the logical core: that must be seen from here. */
static int make(const struct dpdk_options *options, char *error, uint32_t error_bytes)
{
    static struct arguments arguments; /* DPDK keeps pointers into it */
    cpu_set_t before, wide;
    pthread_getaffinity_np(pthread_self(), sizeof(before), &before);
    if (sched_getaffinity(getpid(), sizeof(wide), &wide))
        wide = before;
    int cpu = options->cpu;
    for (int i = 0; cpu < 0 && i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &before))
            cpu = i;
    arrange(&arguments, options, cpu);
    catch_log();
    setenv("LIBXDP_SKIP_DISPATCHER", "1", 0); /* net_af_xdp: one program on the interface, no file system of pinned ones */
    pthread_setaffinity_np(pthread_self(), sizeof(wide), &wide);
    int result = rte_eal_init(arguments.count, arguments.pointers);
    pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
    if (result >= 0) {
        made = true;
        rmdir(rte_eal_get_runtime_dir()); /* made even without a shared configuration; empty */
        return 0;
    }
    result = rte_errno ? rte_errno : EINVAL;
    snprintf(error, error_bytes, "DPDK device %s: making DPDK's environment (%s huge pages): %s", options->device,
             huge_pages ? "with" : "without", complaint[0] ? complaint : strerror(result));
    return -result;
}

static int choose_memory(const struct dpdk_options *options, char *error, uint32_t error_bytes)
{
    unsigned long free_mb = free_huge_mb();
    huge_pages = options->huge == DPDK_HUGE_YES || (options->huge == DPDK_HUGE_AUTO && free_mb >= DPDK_MEMORY_MB);
    if (!huge_pages || free_mb >= DPDK_MEMORY_MB)
        return 0;
    snprintf(error, error_bytes,
             "DPDK device %s: %lu MB of free huge pages, %d MB are needed: sysctl vm.nr_hugepages=%d, or hugepages: auto",
             options->device, free_mb, DPDK_MEMORY_MB, DPDK_MEMORY_MB * 1024 / HUGE_PAGE_KB + 16);
    return -ENOMEM;
}

int dpdk_environment(const struct dpdk_options *options, char *error, uint32_t error_bytes)
{
    int result = made ? 0 : choose_memory(options, error, error_bytes);
    if (!result && !made)
        result = make(options, error, error_bytes);
    if (!result && rte_lcore_id() == LCORE_ID_ANY && rte_thread_register())
        result = -rte_errno;
    return result;
}
