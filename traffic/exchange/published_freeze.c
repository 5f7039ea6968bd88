/* The frozen copy of the book's orders. Essay: published_freeze.h. */
#include "traffic/exchange/published_freeze.h"

#include <string.h>

static uint64_t align_up(uint64_t bytes) {
    return (bytes + 63) & ~UINT64_C(63);
}

uint64_t published_freeze_bytes(const struct published_book *book) {
    return align_up(book->orders_max * sizeof(struct published_order)) +
           2 * align_up(book->orders_max * sizeof(struct freeze_entry));
}

void published_freeze_init(struct published_freeze *freeze, struct published_book *book, void *memory) {
    uint8_t *next = memory;
    memset(freeze, 0, sizeof *freeze);
    freeze->book = book;
    freeze->copies = (void *)next;
    next += align_up(book->orders_max * sizeof(struct published_order));
    freeze->entries = (void *)next;
    next += align_up(book->orders_max * sizeof(struct freeze_entry));
    freeze->other = (void *)next;
    book->frozen = freeze->copies;
}

void published_freeze_begin(struct published_freeze *freeze) {
    struct published_book *book = freeze->book;
    book->freeze_next = 0;
    book->freeze_end = book->orders_used;
    book->freeze_mark++;  /* so that copies of an earlier freeze do not count */
    freeze->count = freeze->next = freeze->digit = 0;
    freeze->copying = true;
    memset(freeze->buckets, 0, sizeof freeze->buckets);
}

void published_freeze_end(struct published_freeze *freeze) {
    freeze->book->freeze_next = freeze->book->freeze_end = 0;
    freeze->copying = false;
    freeze->digit = FREEZE_DIGITS;
}

static uint32_t digit_of(uint32_t entered, uint32_t digit) {
    return entered >> (digit * FREEZE_DIGIT_BITS) & (FREEZE_BUCKETS - 1);
}

/* Copy orders that the book has not saved itself, note the live ones, count their digits. */
static void copy_some(struct published_freeze *freeze, uint32_t orders) {
    struct published_book *book = freeze->book;
    uint32_t end = book->freeze_end - book->freeze_next < orders ? book->freeze_end : book->freeze_next + orders;
    for (uint32_t index = book->freeze_next; index < end; index++) {
        struct published_order *copy = &freeze->copies[index];
        if (copy->older != book->freeze_mark)
            *copy = book->orders[index];
        copy->older = 0;
        if (copy->shares == 0)
            continue;  /* a free place of the pool */
        freeze->entries[freeze->count++] = (struct freeze_entry){copy->entered, index};
        for (uint32_t digit = 0; digit < FREEZE_DIGITS; digit++)
            freeze->buckets[digit][digit_of(copy->entered, digit)]++;
    }
    book->freeze_next = end;
    if (end == book->freeze_end)
        freeze->copying = false;
}

/* From counts to places. False: all have the same digit, nothing to sort by. */
static bool place_buckets(uint32_t *buckets, uint32_t count) {
    uint32_t place = 0;
    for (uint32_t i = 0; i < FREEZE_BUCKETS; i++) {
        uint32_t size = buckets[i];
        if (size == count)
            return false;
        buckets[i] = place;
        place += size;
    }
    return true;
}

static void sort_some(struct published_freeze *freeze, uint32_t orders) {
    uint32_t *buckets = freeze->buckets[freeze->digit];
    if (freeze->next == 0 && !place_buckets(buckets, freeze->count)) {
        freeze->digit++;
        return;
    }
    uint32_t end = freeze->count - freeze->next < orders ? freeze->count : freeze->next + orders;
    for (; freeze->next < end; freeze->next++) {
        struct freeze_entry entry = freeze->entries[freeze->next];
        freeze->other[buckets[digit_of(entry.entered, freeze->digit)]++] = entry;
    }
    if (freeze->next < freeze->count)
        return;
    struct freeze_entry *sorted = freeze->other;
    freeze->other = freeze->entries;
    freeze->entries = sorted;
    freeze->next = 0;
    freeze->digit++;
}

bool published_freeze_step(struct published_freeze *freeze, uint32_t orders) {
    if (freeze->copying)
        copy_some(freeze, orders);
    else if (freeze->digit < FREEZE_DIGITS)
        sort_some(freeze, orders);
    return !freeze->copying && freeze->digit == FREEZE_DIGITS;
}
