/* Inside the book: nodes by name, and a selection that does not become a branch.
 *
 * A node's name is its place in the slab, counted in 8-byte words: what a 32-bit link holds and one machine
 * instruction turns into an address. 0 is "none". Orders come first, four words each, then blocks with their levels.
 * Included by book/ only.
 */
#ifndef ENGINE_BOOK_BOOK_NODES_H
#define ENGINE_BOOK_BOOK_NODES_H

#include "engine/book/book.h"

#define BOOK_ORDER_WORDS (sizeof(struct book_order) / sizeof(uint64_t))

static inline struct book_node *book_node_at(const struct book *book, uint32_t name)
{
    return (struct book_node *)(book->nodes + name);
}

static inline struct book_order *book_order_at(const struct book *book, uint32_t name)
{
    return (struct book_order *)(book->nodes + name);
}

static inline uint32_t book_node_name(const struct book *book, const struct book_node *node)
{
    return (uint32_t)((const uint64_t *)node - book->nodes);
}

/* The value, whose origin the compiler no longer sees. What is a coin toss (a price level is there or not, the touch
 * is met or not) must be selected: a branch guessed wrong costs as much as 60 instructions, and compilers make
 * branches of selections when they may. */
static inline uint32_t book_opaque(uint32_t value)
{
    __asm__("" : "+r"(value));
    return value;
}

static inline uint32_t book_select(uint32_t condition, uint32_t yes, uint32_t no)
{
    return book_opaque(condition) ? yes : no;
}

#endif
