/* Programs that ask the card for the stamp of a packet, each bound to one interface.
 *
 * bpf_xdp_metadata_rx_timestamp() may only be called by a program that was loaded for one device (kernel 6.3), so
 * every wire whose card stamps gets an object of its own, which shares all maps with the tap's first one.
 *
 * Owner: the lab's thread; nothing here is on a hot path.
 */
#ifndef LAB_TAP_CARD_H
#define LAB_TAP_CARD_H

#include <stdint.h>

struct bpf_object;

/* Loads one program of the object file for an interface of the network namespace that this thread is in. On success
 * *object owns it (bpf_object__close()) and its descriptor is returned, else -errno and *object is NULL. */
int card_program(const char *path, const char *program, uint32_t ifindex, const struct bpf_object *shared,
                 struct bpf_object **object);

#endif
