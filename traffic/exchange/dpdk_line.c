/* A line's frames out of a DPDK device. Essay: dpdk_line.h. */
#include "traffic/exchange/dpdk_line.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>

enum { NAME_BYTES = 64, ARGUMENT_BYTES = 32, ARGUMENTS = 11, QUEUE = 0, NEAR_BUFFERS = 32 };

struct dpdk_line {
    struct rte_mempool *pool;
    uint16_t number;
    bool taken; /* the device is ours to close */
};

static bool environment_made;
static char complaint[192]; /* the first line that DPDK logged */

static ssize_t keep_first_line(void *cookie, const char *bytes, size_t size) {
    (void)cookie;
    if (complaint[0] == 0) {
        snprintf(complaint, sizeof complaint, "%.*s", (int)size, bytes);
        complaint[strcspn(complaint, "\n")] = 0;
    }
    return (ssize_t)size;
}

static bool huge_pages_free(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
    if (file && fscanf(file, "%lu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return 2 * pages >= DPDK_LINE_MEMORY_MB;
}

/* 0 or -errno. This thread keeps its CPUs. */
static int make_environment(void) {
    static char text[ARGUMENTS][ARGUMENT_BYTES]; /* DPDK keeps pointers into it */
    char *arguments[ARGUMENTS + 1] = {NULL};
    cpu_set_t cpus;
    int cpu = 0, count = 0;
    if (environment_made)
        return 0;
    pthread_getaffinity_np(pthread_self(), sizeof cpus, &cpus);
    while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &cpus))
        cpu++;
    snprintf(text[count++], ARGUMENT_BYTES, "exchange");
    snprintf(text[count++], ARGUMENT_BYTES, "--no-telemetry");
    snprintf(text[count++], ARGUMENT_BYTES, "--no-pci");
    snprintf(text[count++], ARGUMENT_BYTES, "--log-level=%d", (int)RTE_LOG_ERR);
    snprintf(text[count++], ARGUMENT_BYTES, "--file-prefix=exchange-%d", (int)getpid());
    snprintf(text[count++], ARGUMENT_BYTES, "--lcores=0@%d", cpu);
    snprintf(text[count++], ARGUMENT_BYTES, "-m");
    snprintf(text[count++], ARGUMENT_BYTES, "%d", DPDK_LINE_MEMORY_MB);
    if (huge_pages_free()) {
        snprintf(text[count++], ARGUMENT_BYTES, "--in-memory");
    } else {
        snprintf(text[count++], ARGUMENT_BYTES, "--no-huge");
        snprintf(text[count++], ARGUMENT_BYTES, "--no-shconf");
    }
    for (int i = 0; i < count; i++)
        arguments[i] = text[i];
    FILE *log = fopencookie(NULL, "w", (cookie_io_functions_t){.write = keep_first_line});
    if (log) {
        setvbuf(log, NULL, _IONBF, 0);
        rte_openlog_stream(log);
    }
    int result = rte_eal_init(count, arguments);
    pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus);
    if (result < 0)
        return rte_errno ? -rte_errno : -EINVAL;
    rmdir(rte_eal_get_runtime_dir()); /* made even without a shared configuration; empty */
    environment_made = true;
    return 0;
}

static int start(struct dpdk_line *line, const char *device, const char **tried) {
    const struct rte_eth_conf configuration = {0};
    uint16_t receive = DPDK_LINE_RING, send = DPDK_LINE_RING;
    char name[NAME_BYTES];
    int result;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(device, ","), device);
    *tried = "cannot attach it";
    if ((result = rte_dev_probe(device)) != 0)
        return result < 0 ? result : -ENODEV;
    if (rte_eth_dev_get_port_by_name(name, &line->number) != 0)
        return -ENODEV;
    line->taken = true;
    *tried = "cannot have buffers";
    snprintf(name, sizeof name, "line_%u", line->number);
    line->pool = rte_pktmbuf_pool_create(name, DPDK_LINE_BUFFERS, NEAR_BUFFERS, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (!line->pool)
        return -rte_errno;
    *tried = "cannot configure it";
    if ((result = rte_eth_dev_configure(line->number, 1, 1, &configuration)) != 0 ||
        (result = rte_eth_dev_adjust_nb_rx_tx_desc(line->number, &receive, &send)) != 0 ||
        (result = rte_eth_rx_queue_setup(line->number, QUEUE, receive, SOCKET_ID_ANY, NULL, line->pool)) != 0 ||
        (result = rte_eth_tx_queue_setup(line->number, QUEUE, send, SOCKET_ID_ANY, NULL)) != 0)
        return result;
    *tried = "cannot start it";
    return rte_eth_dev_start(line->number);
}

bool dpdk_line_built(void) {
    return true;
}

struct dpdk_line *dpdk_line_open(const char *device, char *error, uint32_t error_size) {
    struct dpdk_line *line = calloc(1, sizeof *line);
    const char *tried = "cannot make DPDK's environment";
    complaint[0] = 0;
    int result = line ? make_environment() : -ENOMEM;
    if (result == 0)
        result = start(line, device, &tried);
    if (result == 0)
        return line;
    snprintf(error, error_size, "line on DPDK device %s: %s: %s", device, tried,
             complaint[0] ? complaint : strerror(-result));
    dpdk_line_close(line);
    errno = -result;
    return NULL;
}

void dpdk_line_enter(void) {
    if (environment_made)
        rte_thread_register(); /* refused is fine: buffers come from the pool's ring then */
}

void dpdk_line_leave(void) {
    if (environment_made)
        rte_thread_unregister();
}

bool dpdk_line_send(struct dpdk_line *line, const struct iovec *pieces, uint32_t count) {
    struct rte_mbuf *buffer = rte_pktmbuf_alloc(line->pool);
    bool whole = buffer != NULL;
    for (uint32_t i = 0; i < count && whole; i++) {
        char *place = rte_pktmbuf_append(buffer, (uint16_t)pieces[i].iov_len);
        whole = place != NULL;
        if (whole)
            memcpy(place, pieces[i].iov_base, pieces[i].iov_len);
    }
    if (whole && rte_eth_tx_burst(line->number, QUEUE, &buffer, 1) == 1)
        return true;
    rte_pktmbuf_free(buffer);
    return false;
}

void dpdk_line_close(struct dpdk_line *line) {
    struct rte_eth_dev_info info = {0};
    if (!line)
        return;
    if (line->taken) {
        rte_eth_dev_info_get(line->number, &info);
        rte_eth_dev_stop(line->number);
        rte_eth_dev_close(line->number);
        if (info.device)
            rte_dev_remove(info.device);
    }
    rte_mempool_free(line->pool);
    free(line);
}
