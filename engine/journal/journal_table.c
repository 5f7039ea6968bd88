#include "engine/journal/journal_table.h"

#include <string.h>

enum { WORDS = sizeof(struct risk_table) / sizeof(uint64_t), RUN_BYTES = 2 * sizeof(uint32_t) };

static void empty(struct risk_table *table, uint32_t generation)
{
    const struct risk_limits none = {0};
    risk_table_default(table, &none);
    risk_table_seal(table, generation);
}

static uint64_t word(const struct risk_table *table, uint32_t index)
{
    uint64_t value;
    memcpy(&value, (const uint8_t *)table + (size_t)index * sizeof(value), sizeof(value));
    return value;
}

uint32_t journal_table_pack(const struct risk_table *table, struct risk_table *work, uint8_t *bytes)
{
    uint32_t length = 0;
    empty(work, table->rules.head.generation);
    for (uint32_t first = 0; first < WORDS; first++) {
        uint32_t count = 0;
        while (first + count < WORDS && word(table, first + count) != word(work, first + count))
            count++;
        if (count == 0)
            continue;
        memcpy(bytes + length, &first, sizeof(first));
        memcpy(bytes + length + sizeof(first), &count, sizeof(count));
        memcpy(bytes + length + RUN_BYTES, (const uint8_t *)table + (size_t)first * 8, (size_t)count * 8);
        length += RUN_BYTES + count * 8;
        first += count;
    }
    return length;
}

bool journal_table_unpack(const uint8_t *bytes, uint32_t length, uint32_t generation, struct risk_table *table)
{
    uint32_t first, count;
    empty(table, generation);
    while (length >= RUN_BYTES) {
        memcpy(&first, bytes, sizeof(first));
        memcpy(&count, bytes + sizeof(first), sizeof(count));
        bytes += RUN_BYTES;
        length -= RUN_BYTES;
        if (first >= WORDS || count > WORDS - first || count > length / 8)
            return false;
        memcpy((uint8_t *)table + (size_t)first * 8, bytes, (size_t)count * 8);
        bytes += (size_t)count * 8;
        length -= count * 8;
    }
    return length == 0;
}
