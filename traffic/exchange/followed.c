/* The page of a BPF map, or of a file. Essay: followed.h. */
#include "traffic/exchange/followed.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
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

const volatile struct followed_page *followed_open_file(const char *path, uint64_t offset) {
    struct stat file;
    uint8_t *page = MAP_FAILED;
    int opened = open(path, O_RDONLY | O_CLOEXEC);
    if (opened < 0)
        return NULL;
    errno = EINVAL;
    if (fstat(opened, &file) == 0 && offset % 8 == 0 && offset <= (uint64_t)file.st_size &&
        (uint64_t)file.st_size - offset >= sizeof(struct followed_page))
        page = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_SHARED, opened, 0);
    int cause = errno;
    close(opened);
    errno = cause;
    return page == MAP_FAILED ? NULL : (const volatile struct followed_page *)(void *)(page + offset);
}
