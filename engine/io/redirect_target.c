#include "engine/io/redirect_target.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>

/* Newer than the headers of the distribution: uapi/linux/netdev.h of Linux 6.3. */
enum { DEVICE_GET = 1, DEVICE_IFINDEX = 1, DEVICE_XDP_FEATURES = 3, FEATURE_NDO_XMIT = 4 };
enum { ANSWER_BYTES = 4096, NAME_BYTES = 8 };

struct question {
    struct nlmsghdr header;
    struct genlmsghdr generic;
    struct nlattr attribute;
    uint8_t value[NAME_BYTES];
};

struct answer {
    union {
        struct nlmsghdr header;
        uint8_t bytes[ANSWER_BYTES];
    };
};

/* An attribute's value, at least `bytes` long; NULL when the answer has none. */
static const uint8_t *find(const struct answer *answer, uint16_t type, uint32_t bytes)
{
    uint32_t at = NLMSG_HDRLEN + GENL_HDRLEN;
    struct nlattr attribute;
    while (at + sizeof(attribute) <= answer->header.nlmsg_len) {
        memcpy(&attribute, answer->bytes + at, sizeof(attribute));
        if (attribute.nla_len < sizeof(attribute) || attribute.nla_len > answer->header.nlmsg_len - at)
            return NULL;
        if ((attribute.nla_type & NLA_TYPE_MASK) == type)
            return attribute.nla_len >= NLA_HDRLEN + bytes ? answer->bytes + at + NLA_HDRLEN : NULL;
        at += NLA_ALIGN(attribute.nla_len);
    }
    return NULL;
}

/* One question with one attribute, one answer. 0 or -errno. */
static int ask(int netlink, uint16_t family, uint8_t command, uint16_t type, const void *value, uint16_t bytes,
               struct answer *answer)
{
    struct question question = {
        .header = {.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN + NLA_HDRLEN + NLA_ALIGN(bytes),
                   .nlmsg_type = family,
                   .nlmsg_flags = NLM_F_REQUEST},
        .generic = {.cmd = command, .version = 1},
        .attribute = {.nla_len = (uint16_t)(NLA_HDRLEN + bytes), .nla_type = type},
    };
    memcpy(question.value, value, bytes);
    if (send(netlink, &question, question.header.nlmsg_len, 0) < 0)
        return -errno;
    ssize_t count = recv(netlink, answer->bytes, sizeof(answer->bytes), 0);
    if (count < 0)
        return -errno;
    if (count < (ssize_t)(NLMSG_HDRLEN + sizeof(int)) || answer->header.nlmsg_len > (size_t)count)
        return -EBADMSG;
    if (answer->header.nlmsg_type == NLMSG_ERROR) {
        int error;
        memcpy(&error, answer->bytes + NLMSG_HDRLEN, sizeof(error));
        return error < 0 ? error : -EBADMSG;
    }
    return 0;
}

int redirect_target(uint32_t ifindex)
{
    const struct timeval patience = {.tv_sec = 1};
    struct answer answer;
    const uint8_t *found = NULL;
    uint16_t family = 0;
    uint64_t features = 0;
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
    if (netlink < 0)
        return -errno;
    int result = setsockopt(netlink, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ? -errno : 0;
    if (!result)
        result = ask(netlink, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, "netdev", sizeof("netdev"), &answer);
    if (!result && !(found = find(&answer, CTRL_ATTR_FAMILY_ID, sizeof(family))))
        result = -EBADMSG;
    if (!result) {
        memcpy(&family, found, sizeof(family));
        result = ask(netlink, family, DEVICE_GET, DEVICE_IFINDEX, &ifindex, sizeof(ifindex), &answer);
    }
    if (!result && !(found = find(&answer, DEVICE_XDP_FEATURES, sizeof(features))))
        result = -EBADMSG;
    if (!result)
        memcpy(&features, found, sizeof(features));
    close(netlink);
    return result ? result : (features & FEATURE_NDO_XMIT) != 0;
}
