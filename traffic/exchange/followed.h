/* What another publisher has put on the wires, as the taps there saw it: the exchange follows, and publishes nothing.
 *
 * The page is a BPF map of one value that the lab's market program writes (lab/tap/wire.bpf.c): for each line the
 * number behind the last message that was seen, heartbeats included, whose number is that of the next message. So the
 * exchange never serves, and never executes against, what was not on a wire yet; and a heartbeat behind the last
 * packet tells that all is out even when that packet was lost.
 *
 * Where lines have no tap, since memory is all that they are, the engine under test tells the same two words in its
 * control page (engine/control.h), at most 100 us late; that page is a file.
 *
 * Owner: the exchange loop reads; each word is written whole by one CPU. Cost: two loads.
 */
#ifndef TRAFFIC_EXCHANGE_FOLLOWED_H
#define TRAFFIC_EXCHANGE_FOLLOWED_H

#include <linux/types.h>

#define FOLLOWED_LINES 2

struct followed_page {
    __u64 next[FOLLOWED_LINES]; /* 0: nothing yet */
};

#ifndef __bpf__
#include <stdint.h>

enum {
    FOLLOWED_PACKETS_MAX = 64,  /* learnt at a time, before orders are looked at */
    FOLLOWED_REST_NS = 20000,   /* nothing new: the core is another's, such as the generator's */
};

/* Maps the page of the BPF map with this number; NULL with errno. It stays mapped. */
const volatile struct followed_page *followed_open(uint32_t map_id);

/* The same of a file: it stands at `offset`, a multiple of 8. EINVAL: the file is too short for it. */
const volatile struct followed_page *followed_open_file(const char *path, uint64_t offset);

/* The number behind the last message seen on any line. */
static inline uint64_t followed_next(const volatile struct followed_page *page) {
    uint64_t a = page->next[0], b = page->next[1];
    return a > b ? a : b;
}
#endif

#endif
