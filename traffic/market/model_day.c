/* The model's symbols (names, fair prices, Zipf activity) and the start of its day. Essay: model.h. */
#include "traffic/market/model_day.h"

#include <string.h>

#include "traffic/wire/itch50.h"

/* Live orders stay below 1.5 times the target, plus one round of replacement. */
static uint32_t orders_max(uint32_t symbols) {
    return symbols * 2 * (2 * MODEL_DEPTH_MAX);
}

static uint32_t levels_max(uint32_t symbols) {
    /* At most 2 * MODEL_DEPTH_MAX = 120 levels a side: arrays of 4 + 8 + ... + 128. */
    return symbols * 2 * 256;
}

uint64_t model_bytes(uint32_t symbols) {
    return published_book_bytes(orders_max(symbols), levels_max(symbols)) +
           symbols * (sizeof(struct model_symbol) + 2 * sizeof(uint64_t));
}

/* Alias method (Vose) over integer weights: every column holds `total`, nothing is rounded until the threshold. */
static void build_aliases(struct model_symbol *symbols, uint32_t count, uint64_t *scaled, uint64_t *work) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += (UINT64_C(1) << 32) / (i + 1);
    uint32_t small_count = 0, large_begin = count;
    for (uint32_t i = 0; i < count; i++) {
        scaled[i] = (UINT64_C(1) << 32) / (i + 1) * count;
        symbols[i].alias = i;
        symbols[i].alias_threshold = UINT32_MAX;
        if (scaled[i] < total)
            work[small_count++] = i;   /* small columns from the front, large ones from the back */
        else
            work[--large_begin] = i;
    }
    while (small_count && large_begin < count) {
        uint64_t small = work[--small_count], large = work[large_begin];
        symbols[small].alias = (uint32_t)large;
        symbols[small].alias_threshold = (uint32_t)(((unsigned __int128)scaled[small] << 32) / total);
        scaled[large] -= total - scaled[small];
        if (scaled[large] < total) {
            large_begin++;
            work[small_count++] = large;
        }
    }
}

/* Four letters, all different for fewer than 26^4 symbols: 7919 has no factor in common with 26. */
static void name_stock(uint8_t *stock, uint32_t index) {
    uint32_t number = (index * 7919u + 17) % (26 * 26 * 26 * 26);
    memset(stock, ' ', 8);
    for (int letter = 3; letter >= 0; letter--) {
        stock[letter] = (uint8_t)('A' + number % 26);
        number /= 26;
    }
}

void model_init(struct model *model, const struct model_options *options, void *memory) {
    uint32_t count = options->symbols;
    memset(model, 0, sizeof *model);
    random_init(&model->random, options->seed);
    published_book_init(&model->book, memory, orders_max(count), levels_max(count));
    uint8_t *next = (uint8_t *)memory + published_book_bytes(orders_max(count), levels_max(count));
    uint64_t *scaled = (void *)next;
    uint64_t *work = scaled + count;
    model->symbols = (void *)(work + count);
    model->symbol_count = count;
    model->left = options->messages;
    /* A short stream gets shallower books, so that it is not all filling. */
    uint64_t depth_affordable = options->messages / (8 * (uint64_t)count);
    for (uint32_t i = 0; i < count; i++) {
        struct model_symbol *symbol = &model->symbols[i];
        uint64_t depth = MODEL_DEPTH_MIN + (MODEL_DEPTH_MAX - MODEL_DEPTH_MIN) / (1 + i / 8);
        if (depth > depth_affordable)
            depth = depth_affordable < 4 ? 4 : depth_affordable;
        name_stock(symbol->stock, i);
        symbol->locate = (uint16_t)(i + 1);
        symbol->depth_target = (uint16_t)depth;
        symbol->fair_cents = 1000 + (uint32_t)random_below(&model->random, 40000);
    }
    build_aliases(model->symbols, count, scaled, work);
    model->reference = MODEL_REFERENCES_BEGIN;
    model->match = MODEL_MATCHES_BEGIN;
    model->closes = options->closes;
    model->until_rare = 16;
}

void model_day_open(struct model *model, void (*emit)(struct model *, uint8_t *)) {
    static const uint64_t breaker_levels[3] = {UINT64_C(5580) * 93000000, UINT64_C(5580) * 87000000,
                                               UINT64_C(5580) * 80000000}; /* 7, 13, 20 % below an index at 5580 */
    if (model->left)
        emit(model, itch50_put_system(model->out, 'O'));
    for (uint32_t i = 0; i < model->symbol_count && model->left; i++)
        emit(model, itch50_put_directory(model->out, model->symbols[i].locate, model->symbols[i].stock));
    if (model->left)
        emit(model, itch50_put_breaker_levels(model->out, breaker_levels));
    for (uint32_t i = 0; i < model->symbol_count && model->left; i++)
        emit(model, itch50_put_trading(model->out, model->symbols[i].locate, model->symbols[i].stock, 'T', "    "));
    for (uint32_t i = 0; i < model->symbol_count && model->left; i++)
        emit(model, itch50_put_reg_sho(model->out, model->symbols[i].locate, model->symbols[i].stock, '0'));
    for (int event = 0; event < 2 && model->left; event++)
        emit(model, itch50_put_system(model->out, (uint8_t)"SQ"[event]));
}
