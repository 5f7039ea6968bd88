#include "engine/io/dpdk.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_version.h>

#include "engine/io/dpdk_environment.h"

enum {
    QUEUE = 0,
    SEND_FRAMES = 512,
    POOL_CACHE = 256,
    LINK_PAUSE_NS = 5 * 1000 * 1000,
    LINK_ATTEMPTS = 200, /* a second: net_memif's two ends find each other meanwhile */
    SOCKETS_MAX = 64,
    /* The kernel gives a queue free some time after the AF_XDP socket on it was closed, and the driver does not say which
     * error it met: half a second of patience. */
    BUSY_PAUSE_NS = 2 * 1000 * 1000,
    BUSY_ATTEMPTS = 250,
};

static const char RECEIVE_QUEUE[] = "setting its receive queue up";

bool dpdk_built(void)
{
    return true;
}

const char *dpdk_version(void)
{
    return rte_version();
}

static bool is_driver(const char *device, const char *driver)
{
    return strncmp(device, driver, strlen(driver)) == 0;
}

static bool is_xdp_socket(int descriptor)
{
    int domain = 0;
    socklen_t size = sizeof(domain);
    return getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_XDP;
}

/* The AF_XDP sockets of this process, in order of their descriptors. */
static uint32_t xdp_sockets(int sockets[SOCKETS_MAX])
{
    DIR *directory = opendir("/proc/self/fd");
    uint32_t count = 0;
    for (struct dirent *entry; directory && (entry = readdir(directory)) && count < SOCKETS_MAX;) {
        int descriptor = atoi(entry->d_name);
        if (is_xdp_socket(descriptor))
            sockets[count++] = descriptor;
    }
    if (directory)
        closedir(directory);
    return count;
}

static int new_socket(const int *before, uint32_t before_count)
{
    int now[SOCKETS_MAX];
    uint32_t count = xdp_sockets(now);
    for (uint32_t i = 0; i < count; i++) {
        bool known = false;
        for (uint32_t k = 0; k < before_count; k++)
            known = known || before[k] == now[i];
        if (!known)
            return now[i];
    }
    return -1;
}

static int enter_socket(struct dpdk *port, uint64_t flags)
{
    errno = ENOENT;
    return port->socket < 0 || bpf_map_update_elem(port->socket_map, &port->socket_key, &port->socket, flags) ? -errno : 0;
}

static void name_of(const char *device, char name[DPDK_NAME_BYTES])
{
    snprintf(name, DPDK_NAME_BYTES, "%.*s", (int)strcspn(device, ","), device);
}

/* The driver takes the device. A PCI function was probed with the environment, when it is bound to a driver for DPDK. */
static int attach(struct dpdk *port, const struct dpdk_options *options, const char **step)
{
    name_of(options->device, port->name);
    if (dpdk_is_pci(options->device)) {
        *step = "no driver of DPDK has it; bind it: dpdk-devbind.py --bind=vfio-pci ADDRESS";
        char whole[DPDK_NAME_BYTES + 8];
        snprintf(whole, sizeof(whole), "%s%s", strchr(port->name, ':') == strrchr(port->name, ':') ? "0000:" : "", port->name);
        return rte_eth_dev_get_port_by_name(whole, &port->number) ? -ENODEV : 0;
    }
    *step = "a device of this name is in use";
    if (rte_eth_dev_get_port_by_name(port->name, &port->number) == 0)
        return -EBUSY;
    *step = "attaching it";
    int result = rte_dev_probe(options->device);
    if (result)
        return result < 0 ? result : -ENODEV;
    *step = "it is no network device";
    return rte_eth_dev_get_port_by_name(port->name, &port->number) ? -ENODEV : 0;
}

static int find_stamps(struct dpdk *port, const struct rte_eth_dev_info *info, struct rte_eth_conf *configuration)
{
    if (!(info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP))
        return 0;
    configuration->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
    port->stamps = true;
    return rte_mbuf_dyn_rx_timestamp_register(&port->stamp_offset, &port->stamp_flag);
}

static int configure(struct dpdk *port, const char **step)
{
    struct rte_eth_dev_info info;
    struct rte_eth_conf configuration = {0};
    uint16_t receive = DPDK_RING_FRAMES, send = SEND_FRAMES;
    char pool[RTE_MEMPOOL_NAMESIZE];

    *step = "asking the driver what it can";
    int result = rte_eth_dev_info_get(port->number, &info);
    if (result)
        return result;
    snprintf(port->driver, sizeof(port->driver), "%s", info.driver_name ? info.driver_name : "");
    *step = "buffers";
    snprintf(pool, sizeof(pool), "engine_%u", port->number);
    port->pool = rte_pktmbuf_pool_create(pool, DPDK_POOL_FRAMES, POOL_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (!port->pool)
        return -rte_errno;
    *step = "configuring it";
    if ((result = find_stamps(port, &info, &configuration)))
        return result;
    if ((result = rte_eth_dev_configure(port->number, 1, 1, &configuration)))
        return result;
    if ((result = rte_eth_dev_adjust_nb_rx_tx_desc(port->number, &receive, &send)))
        return result;
    *step = RECEIVE_QUEUE;
    if ((result = rte_eth_rx_queue_setup(port->number, QUEUE, receive, SOCKET_ID_ANY, NULL, port->pool)))
        return result;
    *step = "setting its send queue up";
    if ((result = rte_eth_tx_queue_setup(port->number, QUEUE, send, SOCKET_ID_ANY, NULL)))
        return result;
    *step = "starting it";
    if ((result = rte_eth_dev_start(port->number)))
        return result;
    rte_eth_promiscuous_enable(port->number); /* not every driver can, or has to */
    rte_eth_allmulticast_enable(port->number);
    return 0;
}

static void wait_for_link(const struct dpdk *port)
{
    const struct timespec pause = {.tv_nsec = LINK_PAUSE_NS};
    struct rte_eth_link link = {0};
    for (unsigned i = 0; i < LINK_ATTEMPTS; i++) {
        if (rte_eth_link_get_nowait(port->number, &link) == 0 && link.link_status == RTE_ETH_LINK_UP)
            return;
        nanosleep(&pause, NULL);
    }
}

static int open_once(struct dpdk *port, const struct dpdk_options *options, const char **step)
{
    int sockets[SOCKETS_MAX];
    memset(port, 0, sizeof(*port));
    port->port = options->port;
    port->group = options->group;
    port->socket = port->socket_map = -1;
    port->huge_pages = dpdk_environment_huge();
    port->ifindex = options->interface ? if_nametoindex(options->interface) : 0;
    dpdk_complaint_forget();
    uint32_t socket_count = xdp_sockets(sockets);
    int result = attach(port, options, step);
    port->open = result == 0;
    if (!result)
        result = configure(port, step);
    if (is_driver(port->name, "net_af_xdp"))
        port->socket = new_socket(sockets, socket_count);
    if (result || options->socket_map < 0 || !is_driver(port->name, "net_af_xdp"))
        return result;
    *step = "entering its socket into the XDP program's map";
    port->socket_map = options->socket_map;
    port->socket_key = options->socket_key;
    return enter_socket(port, BPF_ANY);
}

int dpdk_open(struct dpdk *port, const struct dpdk_options *options, char *error, uint32_t error_bytes)
{
    const struct timespec pause = {.tv_nsec = BUSY_PAUSE_NS};
    const char *step = "";
    memset(port, 0, sizeof(*port));
    dpdk_complaint_forget();
    int result = dpdk_environment(options, error, error_bytes);
    if (result)
        return result;
    result = open_once(port, options, &step);
    for (unsigned i = 0; result && is_driver(port->name, "net_af_xdp") && step == RECEIVE_QUEUE && i < BUSY_ATTEMPTS; i++) {
        dpdk_close(port);
        nanosleep(&pause, NULL);
        result = open_once(port, options, &step);
    }
    if (result) {
        const char *said = dpdk_complaint();
        snprintf(error, error_bytes, "DPDK device %s: %s: %s", options->device, step, said[0] ? said : strerror(-result));
        dpdk_close(port);
        return result;
    }
    wait_for_link(port);
    return 0;
}

void dpdk_close(struct dpdk *port)
{
    if (!port->open)
        return;
    port->open = false;
    dpdk_release(port);
    dpdk_withdraw(port);
    struct rte_eth_dev_info info = {0};
    rte_eth_dev_info_get(port->number, &info);
    rte_eth_dev_stop(port->number);
    rte_eth_dev_close(port->number);
    if (info.device && !dpdk_is_pci(port->name))
        rte_dev_remove(info.device);
    if (port->socket >= 0 && is_xdp_socket(port->socket))
        close(port->socket); /* the driver of 22.11 forgets it, and with it the queue stays taken */
    port->socket = -1;
    rte_mempool_free(port->pool);
    port->pool = NULL;
}

static inline void note_stamp(struct dpdk *port, const struct rte_mbuf *frame)
{
    if (!(frame->ol_flags & port->stamp_flag))
        return;
    port->stamped++;
    port->last_stamp = *RTE_MBUF_DYNFIELD(frame, port->stamp_offset, rte_mbuf_timestamp_t *);
}

uint32_t dpdk_receive(struct dpdk *port, struct packet packets[PACKET_BATCH_MAX])
{
    uint32_t count = 0, taken = rte_eth_rx_burst(port->number, QUEUE, port->taken, PACKET_BATCH_MAX);
    port->taken_count = taken;
    port->received += taken;
    if (taken == 0)
        __atomic_store_n(&port->empty_polls, port->empty_polls + 1, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < taken; i++) {
        const struct rte_mbuf *frame = port->taken[i];
        if (port->stamps)
            note_stamp(port, frame);
        if (frame->nb_segs != 1)
            port->chained++;
        else if (!frame_of_feed(rte_pktmbuf_mtod(frame, const uint8_t *), frame->data_len, port->port, port->group,
                                &packets[count]))
            port->other_frames++;
        else if (!frame_checksum_good(&packets[count]))
            port->bad_checksums++;
        else
            count++;
    }
    return count;
}

void dpdk_release(struct dpdk *port)
{
    if (port->taken_count == 0)
        return;
    rte_pktmbuf_free_bulk(port->taken, port->taken_count);
    port->taken_count = 0;
}

bool dpdk_send(struct dpdk *port, const uint8_t *frame, uint32_t length)
{
    struct rte_mbuf *buffer = rte_pktmbuf_alloc(port->pool);
    char *place = buffer ? rte_pktmbuf_append(buffer, (uint16_t)length) : NULL;
    if (place)
        memcpy(place, frame, length);
    if (place && rte_eth_tx_burst(port->number, QUEUE, &buffer, 1) == 1)
        return true;
    rte_pktmbuf_free(buffer);
    return false;
}

void dpdk_statistics(const struct dpdk *port, struct dpdk_statistics *statistics)
{
    struct rte_eth_stats device = {0};
    struct rte_eth_link link = {0};
    memset(statistics, 0, sizeof(*statistics));
    if (port->open) {
        rte_eth_stats_get(port->number, &device);
        rte_eth_link_get_nowait(port->number, &link);
    }
    *statistics = (struct dpdk_statistics){
        .received = port->received,
        .missed = device.imissed,
        .errors = device.ierrors,
        .no_buffer = device.rx_nombuf,
        .other_frames = port->other_frames,
        .bad_checksums = port->bad_checksums,
        .chained = port->chained,
        .stamped = port->stamped,
        .last_stamp = port->last_stamp,
        .link_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed,
        .link_up = link.link_status == RTE_ETH_LINK_UP,
        .stamps = port->stamps,
        .huge_pages = port->huge_pages,
    };
    memcpy(statistics->driver, port->driver, sizeof(statistics->driver));
    memcpy(statistics->name, port->name, sizeof(statistics->name));
}

bool dpdk_fallback(const struct dpdk_options *options, char *error, uint32_t error_bytes)
{
    bool shared = is_driver(options->device, "net_af_packet") ||
                  (is_driver(options->device, "net_af_xdp") && options->socket_map >= 0);
    if (!shared)
        snprintf(error, error_bytes,
                 "DPDK device %.*s has its wire to itself: the kernel has no interface there to fall back to",
                 (int)strcspn(options->device, ","), options->device);
    return shared;
}

void dpdk_withdraw(struct dpdk *port)
{
    if (port->socket_map >= 0)
        bpf_map_delete_elem(port->socket_map, &port->socket_key);
}

bool dpdk_redirected(const struct dpdk *port)
{
    uint32_t program = 0, key = port->socket_key;
    if (port->socket_map < 0)
        return true;
    if (bpf_xdp_query_id((int)port->ifindex, 0, &program) || program == 0)
        return false;
    return bpf_map_update_elem(port->socket_map, &key, &port->socket, BPF_EXIST) == 0;
}
