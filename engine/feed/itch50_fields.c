/* The ITCH 5.0 field tables; the contract is in itch50_fields.h. */
#include "engine/feed/itch50_fields.h"

#include <stddef.h>

/* Every message begins with these 11 bytes. */
#define HEAD                                                                                                           \
    {"type", 0, 1, ITCH50_ALPHA}, {"stock_locate", 1, 2, ITCH50_INTEGER}, {"tracking_number", 3, 2, ITCH50_INTEGER},   \
        {"timestamp", 5, 6, ITCH50_TIME}

static const struct itch50_field system_event[] = {
    HEAD,
    {"event_code", 11, 1, ITCH50_ALPHA},
};

static const struct itch50_field stock_directory[] = {
    HEAD,
    {"stock", 11, 8, ITCH50_ALPHA}, {"market_category", 19, 1, ITCH50_ALPHA},
    {"financial_status", 20, 1, ITCH50_ALPHA}, {"round_lot_size", 21, 4, ITCH50_INTEGER},
    {"round_lots_only", 25, 1, ITCH50_ALPHA}, {"issue_classification", 26, 1, ITCH50_ALPHA},
    {"issue_subtype", 27, 2, ITCH50_ALPHA}, {"authenticity", 29, 1, ITCH50_ALPHA},
    {"short_sale_threshold", 30, 1, ITCH50_ALPHA}, {"ipo_flag", 31, 1, ITCH50_ALPHA},
    {"luld_tier", 32, 1, ITCH50_ALPHA}, {"etp_flag", 33, 1, ITCH50_ALPHA},
    {"etp_leverage_factor", 34, 4, ITCH50_INTEGER}, {"inverse_indicator", 38, 1, ITCH50_ALPHA},
};

static const struct itch50_field stock_trading_action[] = {
    HEAD,
    {"stock", 11, 8, ITCH50_ALPHA}, {"trading_state", 19, 1, ITCH50_ALPHA}, {"reserved", 20, 1, ITCH50_ALPHA},
    {"reason", 21, 4, ITCH50_ALPHA},
};

static const struct itch50_field reg_sho_restriction[] = {
    HEAD,
    {"stock", 11, 8, ITCH50_ALPHA}, {"action", 19, 1, ITCH50_ALPHA},
};

static const struct itch50_field market_participant_position[] = {
    HEAD,
    {"mpid", 11, 4, ITCH50_ALPHA}, {"stock", 15, 8, ITCH50_ALPHA},
    {"primary_market_maker", 23, 1, ITCH50_ALPHA}, {"mode", 24, 1, ITCH50_ALPHA},
    {"participant_state", 25, 1, ITCH50_ALPHA},
};

static const struct itch50_field mwcb_decline_level[] = {
    HEAD,
    {"level_1", 11, 8, ITCH50_PRICE8}, {"level_2", 19, 8, ITCH50_PRICE8}, {"level_3", 27, 8, ITCH50_PRICE8},
};

static const struct itch50_field mwcb_status[] = {
    HEAD,
    {"breached_level", 11, 1, ITCH50_ALPHA},
};

static const struct itch50_field ipo_quoting_period[] = {
    HEAD,
    {"stock", 11, 8, ITCH50_ALPHA}, {"release_time_s", 19, 4, ITCH50_INTEGER},
    {"release_qualifier", 23, 1, ITCH50_ALPHA}, {"price", 24, 4, ITCH50_PRICE4},
};

static const struct itch50_field luld_auction_collar[] = {
    HEAD,
    {"stock", 11, 8, ITCH50_ALPHA}, {"reference_price", 19, 4, ITCH50_PRICE4},
    {"upper_price", 23, 4, ITCH50_PRICE4}, {"lower_price", 27, 4, ITCH50_PRICE4},
    {"extension_count", 31, 4, ITCH50_INTEGER},
};

static const struct itch50_field operational_halt[] = {
    HEAD,
    {"stock", 11, 8, ITCH50_ALPHA}, {"market_code", 19, 1, ITCH50_ALPHA}, {"halt_action", 20, 1, ITCH50_ALPHA},
};

static const struct itch50_field add_order[] = {
    HEAD,
    {"order_reference", 11, 8, ITCH50_INTEGER}, {"side", 19, 1, ITCH50_ALPHA},
    {"shares", 20, 4, ITCH50_INTEGER}, {"stock", 24, 8, ITCH50_ALPHA}, {"price", 32, 4, ITCH50_PRICE4},
};

static const struct itch50_field add_order_attributed[] = {
    HEAD,
    {"order_reference", 11, 8, ITCH50_INTEGER}, {"side", 19, 1, ITCH50_ALPHA},
    {"shares", 20, 4, ITCH50_INTEGER}, {"stock", 24, 8, ITCH50_ALPHA}, {"price", 32, 4, ITCH50_PRICE4},
    {"mpid", 36, 4, ITCH50_ALPHA},
};

static const struct itch50_field order_executed[] = {
    HEAD,
    {"order_reference", 11, 8, ITCH50_INTEGER}, {"executed_shares", 19, 4, ITCH50_INTEGER},
    {"match_number", 23, 8, ITCH50_INTEGER},
};

static const struct itch50_field order_executed_with_price[] = {
    HEAD,
    {"order_reference", 11, 8, ITCH50_INTEGER}, {"executed_shares", 19, 4, ITCH50_INTEGER},
    {"match_number", 23, 8, ITCH50_INTEGER}, {"printable", 31, 1, ITCH50_ALPHA},
    {"price", 32, 4, ITCH50_PRICE4},
};

static const struct itch50_field order_cancel[] = {
    HEAD,
    {"order_reference", 11, 8, ITCH50_INTEGER}, {"cancelled_shares", 19, 4, ITCH50_INTEGER},
};

static const struct itch50_field order_delete[] = {
    HEAD,
    {"order_reference", 11, 8, ITCH50_INTEGER},
};

static const struct itch50_field order_replace[] = {
    HEAD,
    {"order_reference", 11, 8, ITCH50_INTEGER}, {"new_order_reference", 19, 8, ITCH50_INTEGER},
    {"shares", 27, 4, ITCH50_INTEGER}, {"price", 31, 4, ITCH50_PRICE4},
};

static const struct itch50_field trade[] = {
    HEAD,
    {"order_reference", 11, 8, ITCH50_INTEGER}, {"side", 19, 1, ITCH50_ALPHA},
    {"shares", 20, 4, ITCH50_INTEGER}, {"stock", 24, 8, ITCH50_ALPHA}, {"price", 32, 4, ITCH50_PRICE4},
    {"match_number", 36, 8, ITCH50_INTEGER},
};

static const struct itch50_field cross_trade[] = {
    HEAD,
    {"shares", 11, 8, ITCH50_INTEGER}, {"stock", 19, 8, ITCH50_ALPHA}, {"price", 27, 4, ITCH50_PRICE4},
    {"match_number", 31, 8, ITCH50_INTEGER}, {"cross_type", 39, 1, ITCH50_ALPHA},
};

static const struct itch50_field broken_trade[] = {
    HEAD,
    {"match_number", 11, 8, ITCH50_INTEGER},
};

static const struct itch50_field net_order_imbalance[] = {
    HEAD,
    {"paired_shares", 11, 8, ITCH50_INTEGER}, {"imbalance_shares", 19, 8, ITCH50_INTEGER},
    {"imbalance_direction", 27, 1, ITCH50_ALPHA}, {"stock", 28, 8, ITCH50_ALPHA},
    {"far_price", 36, 4, ITCH50_PRICE4}, {"near_price", 40, 4, ITCH50_PRICE4},
    {"reference_price", 44, 4, ITCH50_PRICE4}, {"cross_type", 48, 1, ITCH50_ALPHA},
    {"price_variation", 49, 1, ITCH50_ALPHA},
};

static const struct itch50_field retail_interest[] = {
    HEAD,
    {"stock", 11, 8, ITCH50_ALPHA}, {"interest_flag", 19, 1, ITCH50_ALPHA},
};

static const struct itch50_field direct_listing_price_discovery[] = {
    HEAD,
    {"stock", 11, 8, ITCH50_ALPHA}, {"open_eligible", 19, 1, ITCH50_ALPHA},
    {"minimum_price", 20, 4, ITCH50_PRICE4}, {"maximum_price", 24, 4, ITCH50_PRICE4},
    {"near_price", 28, 4, ITCH50_PRICE4}, {"near_time", 32, 8, ITCH50_INTEGER},
    {"lower_collar", 40, 4, ITCH50_PRICE4}, {"upper_collar", 44, 4, ITCH50_PRICE4},
};

#define MESSAGE(letter, fields, bytes) {#fields, fields, sizeof(fields) / sizeof(fields[0]), bytes, letter}

const struct itch50_message itch50_messages[ITCH50_MESSAGE_COUNT] = {
    MESSAGE('S', system_event, 12),
    MESSAGE('R', stock_directory, 39),
    MESSAGE('H', stock_trading_action, 25),
    MESSAGE('Y', reg_sho_restriction, 20),
    MESSAGE('L', market_participant_position, 26),
    MESSAGE('V', mwcb_decline_level, 35),
    MESSAGE('W', mwcb_status, 12),
    MESSAGE('K', ipo_quoting_period, 28),
    MESSAGE('J', luld_auction_collar, 35),
    MESSAGE('h', operational_halt, 21),
    MESSAGE('A', add_order, 36),
    MESSAGE('F', add_order_attributed, 40),
    MESSAGE('E', order_executed, 31),
    MESSAGE('C', order_executed_with_price, 36),
    MESSAGE('X', order_cancel, 23),
    MESSAGE('D', order_delete, 19),
    MESSAGE('U', order_replace, 35),
    MESSAGE('P', trade, 44),
    MESSAGE('Q', cross_trade, 40),
    MESSAGE('B', broken_trade, 19),
    MESSAGE('I', net_order_imbalance, 50),
    MESSAGE('N', retail_interest, 20),
    MESSAGE('O', direct_listing_price_discovery, 48),
};

const struct itch50_message *itch50_message_find(char type)
{
    for (uint32_t index = 0; index < ITCH50_MESSAGE_COUNT; index++) {
        if (itch50_messages[index].type == type)
            return &itch50_messages[index];
    }
    return NULL;
}
