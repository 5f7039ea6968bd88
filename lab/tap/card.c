#include "lab/tap/card.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#ifndef BPF_F_XDP_DEV_BOUND_ONLY /* kernel 6.3; older headers do not name it */
#define BPF_F_XDP_DEV_BOUND_ONLY (1U << 6)
#endif

static int share_maps(struct bpf_object *object, const struct bpf_object *shared)
{
    struct bpf_map *map;
    bpf_object__for_each_map(map, object) {
        struct bpf_map *first = bpf_object__find_map_by_name(shared, bpf_map__name(map));
        int result = first ? bpf_map__reuse_fd(map, bpf_map__fd(first)) : -ENOENT;
        if (result)
            return result;
    }
    return 0;
}

int card_program(const char *path, const char *program, uint32_t ifindex, const struct bpf_object *shared,
                 struct bpf_object **object)
{
    struct bpf_program *each, *wanted = NULL;
    *object = bpf_object__open_file(path, NULL);
    if (!*object)
        return -errno;
    bpf_object__for_each_program(each, *object) {
        int this = !strcmp(bpf_program__name(each), program);
        bpf_program__set_autoload(each, this);
        if (this)
            wanted = each;
    }
    int result = wanted ? bpf_program__set_flags(wanted, BPF_F_XDP_DEV_BOUND_ONLY) : -ENOENT;
    if (!result) {
        bpf_program__set_ifindex(wanted, ifindex);
        result = share_maps(*object, shared);
    }
    if (!result)
        result = bpf_object__load(*object);
    if (!result)
        return bpf_program__fd(wanted);
    bpf_object__close(*object);
    *object = NULL;
    return result;
}
