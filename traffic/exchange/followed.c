/* The page of a BPF map. Essay: followed.h. */
#include "traffic/exchange/followed.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

const volatile struct followed_page *followed_open(uint32_t map_id) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.map_id = map_id;
    int map = (int)syscall(SYS_bpf, BPF_MAP_GET_FD_BY_ID, &attributes, sizeof attributes);
    if (map < 0)
        return NULL;
    void *page = mmap(NULL, sizeof(struct followed_page), PROT_READ, MAP_SHARED, map, 0);
    int cause = errno;
    close(map);
    errno = cause;
    return page == MAP_FAILED ? NULL : page;
}
