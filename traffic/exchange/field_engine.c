/* Essay: field_engine.h. */
#include "traffic/exchange/field_engine.h"

#include <stddef.h>
#include <string.h>

#include "traffic/wire/bytes.h"
#include "traffic/wire/udp_frame.h"

enum { IP_BYTES_MIN = 20, UDP_BYTES = 8, TCP_BYTES = 20, TCP_SUM = 16, UDP_SUM = 6 };

static uint32_t l4_bytes_min(uint8_t protocol) {
    return protocol == FIELD_PROTOCOL_UDP ? UDP_BYTES : protocol == FIELD_PROTOCOL_TCP ? TCP_BYTES : 0;
}

static bool variable_good(const struct field_variable *variable) {
    return variable->min <= variable->initial && variable->initial <= variable->max && variable->step > 0 &&
           variable->step - 1 <= variable->max - variable->min;
}

static bool operation_good(const struct field_program *program, const struct field_operation *operation,
                           uint32_t shortest) {
    uint32_t variables = operation->kind == FIELD_TUPLE ? 2 : 1;
    uint32_t size = operation->size, offset = operation->offset;
    switch (operation->kind) {
    case FIELD_INC:
    case FIELD_DEC:
    case FIELD_RANDOM:
    case FIELD_TUPLE:
        return operation->variable + variables <= program->variable_count;
    case FIELD_WRITE:
        return operation->variable < program->variable_count && offset < program->frame_bytes &&
               (size == 1 || size == 2 || size == 4 || size == 8) && size <= program->frame_bytes - offset;
    case FIELD_TRIM:
        return operation->variable < program->variable_count &&
               program->variables[operation->variable].min >= FIELD_FRAME_BYTES_MIN &&
               program->variables[operation->variable].max <= program->frame_bytes;
    case FIELD_IPV4_SUM:
        return offset < shortest && shortest - offset >= IP_BYTES_MIN;
    case FIELD_L4_SUM:
        return (operation->protocol == FIELD_PROTOCOL_NONE || l4_bytes_min(operation->protocol) > 0) &&
               operation->l3_bytes >= IP_BYTES_MIN && operation->l3_bytes <= 60 && operation->l3_bytes % 4 == 0 &&
               offset < shortest &&
               shortest - offset >= operation->l3_bytes + l4_bytes_min(operation->protocol);
    default:
        return false;
    }
}

bool field_good(const struct field_program *program) {
    if (program->frame_bytes < FIELD_FRAME_BYTES_MIN || program->frame_bytes > FIELD_FRAME_BYTES_MAX ||
        program->operation_count > FIELD_OPERATIONS_MAX || program->variable_count > FIELD_VARIABLES_MAX)
        return false;
    for (uint32_t i = 0; i < program->variable_count; i++)
        if (!variable_good(&program->variables[i]))
            return false;
    uint32_t shortest = program->frame_bytes;
    for (uint32_t i = 0; i < program->operation_count; i++) {
        const struct field_operation *operation = &program->operations[i];
        if (operation->kind == FIELD_TRIM && operation->variable < program->variable_count &&
            program->variables[operation->variable].min < shortest)
            shortest = (uint32_t)program->variables[operation->variable].min;
    }
    for (uint32_t i = 0; i < program->operation_count; i++)
        if (!operation_good(program, &program->operations[i], shortest))
            return false;
    return true;
}

void field_begin(struct field_program *program) {
    program->random = program->random_initial;
    program->cached = 0;
    for (uint32_t i = 0; i < program->variable_count; i++) {
        struct field_variable *variable = &program->variables[i];
        variable->value = variable->next = variable->initial;
        variable->count = 0;
    }
}

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014). */
static uint64_t random_next(uint64_t *state) {
    uint64_t word = *state += UINT64_C(0x9e3779b97f4a7c15);
    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
    return word ^ word >> 31;
}

static uint64_t drawn(struct field_program *program, const struct field_variable *variable) {
    uint64_t word = random_next(&program->random), count = variable->max - variable->min + 1;
    return count == 0 ? word : variable->min + (uint64_t)(((unsigned __int128)word * count) >> 64);
}

/* One step up on the ring; true when it passed the end. */
static bool step_up(struct field_variable *variable, uint64_t step) {
    uint64_t left = variable->max - variable->next;
    bool passed = step > left;
    variable->next = passed ? variable->min + (step - left - 1) : variable->next + step;
    return passed;
}

static void step_down(struct field_variable *variable) {
    uint64_t left = variable->next - variable->min, step = variable->step;
    variable->next = step > left ? variable->max - (step - left - 1) : variable->next - step;
}

static void next_flow(struct field_variable *address, uint64_t limit) {
    struct field_variable *port = address + 1;
    address->value = address->next;
    port->value = port->next;
    if (++address->count == limit) {
        address->count = 0;
        address->next = address->initial;
        port->next = port->initial;
    } else if (step_up(address, 1)) {
        step_up(port, 1);
    }
}

static void write_value(uint8_t *to, uint64_t value, uint32_t size, bool big_endian) {
    for (uint32_t i = 0; i < size; i++)
        to[i] = (uint8_t)(value >> 8 * (big_endian ? size - 1 - i : i));
}

static void fix_ipv4(uint8_t *ip, uint32_t bytes) {
    store_be16(ip + 10, 0);
    store_be16(ip + 10, (uint16_t)~udp_sum(ip, bytes));
}

/* A header length of its own is believed when it fits. */
static uint32_t ipv4_bytes(const uint8_t *ip, uint32_t room) {
    uint32_t bytes = (ip[0] & 15u) * 4;
    return bytes < IP_BYTES_MIN || bytes > room ? IP_BYTES_MIN : bytes;
}

static void fix_l4(uint8_t *frame, uint32_t length, const struct field_operation *operation) {
    uint8_t *ip = frame + operation->offset, *l4 = ip + operation->l3_bytes;
    fix_ipv4(ip, operation->l3_bytes);
    if (operation->protocol == FIELD_PROTOCOL_NONE)
        return;
    uint32_t room = length - operation->offset - operation->l3_bytes, least = l4_bytes_min(operation->protocol);
    uint32_t total = load_be16(ip + 2);
    uint32_t bytes = total < operation->l3_bytes + least ? least : total - operation->l3_bytes;
    bytes = bytes > room ? room : bytes;
    bool udp = operation->protocol == FIELD_PROTOCOL_UDP;
    uint8_t *at = l4 + (udp ? UDP_SUM : TCP_SUM);
    store_be16(at, 0);
    uint64_t whole = (uint64_t)udp_sum(ip + 12, 8) + operation->protocol + bytes + udp_sum(l4, bytes);
    uint16_t sum = (uint16_t)~udp_fold(whole);
    store_be16(at, udp && sum == 0 ? 0xFFFF : sum);
}

uint32_t field_run(struct field_program *program) {
    uint8_t *frame = program->frame;
    uint32_t length = program->frame_bytes;
    bool sums = false;
    if (program->cache && program->cached == program->cache)
        field_begin(program);
    program->cached++;
    for (uint32_t i = 0; i < program->operation_count; i++) {
        const struct field_operation *operation = &program->operations[i];
        struct field_variable *variable = program->variables + operation->variable;
        switch (operation->kind) {
        case FIELD_INC:
            variable->value = variable->next;
            step_up(variable, variable->step);
            break;
        case FIELD_DEC:
            variable->value = variable->next;
            step_down(variable);
            break;
        case FIELD_RANDOM:
            variable->value = drawn(program, variable);
            break;
        case FIELD_TUPLE:
            next_flow(variable, operation->limit);
            break;
        case FIELD_WRITE:
            write_value(frame + operation->offset, variable->value + (uint64_t)operation->add, operation->size,
                        operation->big_endian);
            break;
        case FIELD_TRIM:
            length = (uint32_t)variable->value;
            break;
        case FIELD_IPV4_SUM:
            fix_ipv4(frame + operation->offset, ipv4_bytes(frame + operation->offset, length - operation->offset));
            break;
        default:
            sums = true;
        }
    }
    for (uint32_t i = 0; sums && i < program->operation_count; i++)
        if (program->operations[i].kind == FIELD_L4_SUM)
            fix_l4(frame, length, &program->operations[i]);
    return length;
}
