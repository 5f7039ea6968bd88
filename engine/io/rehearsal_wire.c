#include "engine/io/rehearsal_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>

enum { MESSAGE_BYTES = 512 };

struct message {
    struct nlmsghdr header;
    struct ifinfomsg link;
    uint8_t attributes[MESSAGE_BYTES];
};

/* Appends an attribute; its place, so that others can be put into it. */
static struct rtattr *put(struct message *message, uint16_t type, const void *value, uint32_t bytes)
{
    struct rtattr *attribute = (struct rtattr *)(void *)((uint8_t *)message + NLMSG_ALIGN(message->header.nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = (uint16_t)RTA_LENGTH(bytes);
    memcpy(RTA_DATA(attribute), value, bytes);
    message->header.nlmsg_len = NLMSG_ALIGN(message->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
    return attribute;
}

static void end(const struct message *message, struct rtattr *attribute)
{
    const uint8_t *to = (const uint8_t *)message + message->header.nlmsg_len;
    attribute->rta_len = (uint16_t)(to - (const uint8_t *)attribute);
}

static int add_pair(const char *near, const char *far)
{
    const struct ifinfomsg nothing = {0};
    struct message message = {.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(message.link)),
                                         .nlmsg_type = RTM_NEWLINK,
                                         .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK}};
    put(&message, IFLA_IFNAME, near, (uint32_t)strlen(near) + 1);
    struct rtattr *info = put(&message, IFLA_LINKINFO, "", 0);
    put(&message, IFLA_INFO_KIND, "veth", sizeof("veth"));
    struct rtattr *data = put(&message, IFLA_INFO_DATA, "", 0);
    struct rtattr *peer = put(&message, VETH_INFO_PEER, &nothing, sizeof(nothing));
    put(&message, IFLA_IFNAME, far, (uint32_t)strlen(far) + 1);
    end(&message, peer);
    end(&message, data);
    end(&message, info);

    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        uint8_t rest[MESSAGE_BYTES];
    } answer;
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), result = netlink < 0 ? -errno : 0;
    if (!result && send(netlink, &message, message.header.nlmsg_len, 0) < 0)
        result = -errno;
    if (!result && recv(netlink, &answer, sizeof(answer), 0) < (ssize_t)NLMSG_LENGTH(sizeof(answer.error)))
        result = -EBADMSG;
    if (!result)
        result = answer.header.nlmsg_type == NLMSG_ERROR ? answer.error.error : -EBADMSG;
    if (netlink >= 0)
        close(netlink);
    return result;
}

static int bring_up(const char *interface)
{
    struct ifreq request = {.ifr_flags = IFF_UP | IFF_NOARP};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
    int any_socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result = any_socket < 0 || ioctl(any_socket, SIOCSIFFLAGS, &request) ? -errno : 0;
    if (any_socket >= 0)
        close(any_socket);
    return result;
}

static int is_veth(uint32_t ifindex)
{
    struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
    struct ifreq request = {0};
    if (!if_indextoname(ifindex, request.ifr_name))
        return -errno;
    request.ifr_data = (void *)&driver;
    int any_socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result = any_socket < 0 || ioctl(any_socket, SIOCETHTOOL, &request) ? -errno : 0;
    if (any_socket >= 0)
        close(any_socket);
    return result ? result : strcmp(driver.driver, "veth") == 0 ? 0 : -EOPNOTSUPP;
}

/* The kernel must not talk on the pair: every packet of its own would run on the engine's core. */
static void silence(void)
{
    int setting = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
    if (setting < 0)
        return; /* no IPv6 */
    if (write(setting, "1\n", 2) != 2)
        errno = 0;
    close(setting);
}

static int load_program(struct rehearsal_wire *wire)
{
    const struct bpf_insn program[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_DROP},
        {.code = BPF_JMP | BPF_EXIT},
    };
    wire->program = bpf_prog_load(BPF_PROG_TYPE_XDP, "engine_nowhere", "Dual BSD/GPL", program,
                                  sizeof(program) / sizeof(program[0]), NULL);
    return wire->program < 0 ? -errno : 0;
}

/* In the namespace of its own, which this thread is in. */
static int furnish(struct rehearsal_wire *wire, int map, uint32_t key)
{
    LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
    silence();
    int result = add_pair("near", "far");
    if (result)
        return result;
    wire->link = bpf_link_create(wire->program, (int)if_nametoindex("far"), BPF_XDP, &options);
    if (wire->link < 0)
        return -errno;
    uint32_t near = if_nametoindex("near");
    result = bring_up("far");
    if (!result)
        result = bring_up("near");
    return result ? result : bpf_map_update_elem(map, &key, &near, BPF_ANY) ? -errno : 0;
}

void rehearsal_wire_clear(struct rehearsal_wire *wire)
{
    wire->space = wire->program = wire->link = -1;
}

int rehearsal_wire_open(struct rehearsal_wire *wire, uint32_t ifindex, int map, uint32_t key)
{
    rehearsal_wire_clear(wire);
    int result = is_veth(ifindex);
    if (result || (result = load_program(wire)))
        goto done;
    int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0 || unshare(CLONE_NEWNET)) {
        result = -errno;
    } else {
        wire->space = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        result = wire->space < 0 ? -errno : furnish(wire, map, key);
        if (setns(home, CLONE_NEWNET))
            result = -errno; /* the thread is lost to the wire: what it opens next says so */
    }
    if (home >= 0)
        close(home);
done:
    if (result)
        rehearsal_wire_close(wire);
    return result;
}

void rehearsal_wire_close(struct rehearsal_wire *wire)
{
    const int descriptors[] = {wire->link, wire->program, wire->space};
    for (size_t i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    rehearsal_wire_clear(wire);
}
