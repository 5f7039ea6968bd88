/*
 * The oracle says, after a run, what a perfect engine would have done with the messages that were published: which
 * orders it would have sent, and which book it would have been left with. It is written from the specification alone,
 * shares no line with the engine, and prefers being evidently right to being fast.
 *
 * Input: ITCH 5.0 messages, each behind a u16 big-endian length, one after the other. A length of zero is the end
 * mark and must be the last thing in the stream. Types outside the 23 of ITCH 5.0 are counted and skipped; a known type
 * may be longer than its table says, never shorter.
 *
 * Book rules (sheet itch50, "Effect on the visible book") and what is decided here where it is silent:
 *  - the symbol of an event is that of the order, never the stock locate of the message that refers to it;
 *  - an unknown reference is counted and changes nothing;
 *  - an add whose reference stands, or a replace whose new reference stands (and is not the one replaced), is counted
 *    as a duplicate and changes nothing;
 *  - an execution or a cancel of more than is left removes the order; an order of zero shares never stands;
 *  - a level's shares are summed in 64 bits and saturate at 2^32-1 only where the strategy reads them.
 *
 * Strategy rules: touch_taker and reflector as the contract states them. The touch_taker step is idempotent while the
 * top does not move, so ignored messages need no step of their own.
 *
 * Positions: messages are numbered through. A position is the session's ordinal << 40 | the message's number in its
 * session, and equals that number until a session rolls; oracle_session says where each session's positions begin and
 * end, in the order of the stream. Triggers carry positions, and cooldowns and reflectors count by them.
 *
 * Resets: an engine that joins a snapshot never gets the messages from skipped_from up to the join. The book goes on
 * through them, for the snapshot holds what they did. What they would have triggered is kept apart, as skipped; at the
 * join the strategy begins anew: no previous top, imbalance state 0, no cooldown running. A session that begins without
 * a snapshot is a reset that skips nothing and empties the book.
 *
 * Owner: any one thread, after the run; it allocates. Invariants and costs are those of its book, oracle_book.h: 200
 * to 700 ns a message, the more the more orders stand.
 */
#ifndef TAILGATE_LAB_ORACLE_ORACLE_H
#define TAILGATE_LAB_ORACLE_ORACLE_H

#include <stddef.h>
#include <stdint.h>

struct oracle; /* opaque: the whole state of one replay */

enum oracle_strategy { ORACLE_TOUCH_TAKER = 0, ORACLE_REFLECTOR = 1 };

enum oracle_status {
	ORACLE_OK = 0,
	ORACLE_TRUNCATED = 1, /* the stream ends inside a length or a message */
	ORACLE_SHORT = 2,     /* a message shorter than its type */
	ORACLE_SIDE = 3,      /* an add whose side is neither 'B' nor 'S' */
	ORACLE_AFTER_END = 4, /* bytes after the end mark */
	ORACLE_NO_MEMORY = 5,
};

/* One session's messages, both positions included; last_position >= first_position. */
struct oracle_session {
	uint64_t first_position;
	uint64_t last_position;
};

/* skipped_from <= position; position >= skipped_from of the next one. Both need not exist in the stream. */
struct oracle_reset {
	uint64_t skipped_from; /* first position not delivered; `position` when none was skipped */
	uint64_t position;     /* first position delivered again */
	uint32_t empties_book; /* 1: what stood before is forgotten too */
	uint32_t reserved;
};

struct oracle_options {
	const struct oracle_session *sessions; /* at least one; the last one goes on past its last_position */
	const struct oracle_reset *resets;     /* ascending */
	uint32_t session_count;
	uint32_t reset_count;
	uint64_t cooldown_messages;  /* touch_taker */
	uint64_t every;              /* reflector; 1 or more */
	uint32_t order_shares;       /* touch_taker; 1 or more */
	uint32_t imbalance_permille; /* touch_taker; 0..65535, above 1000 no imbalance ever signals */
	uint32_t strategy;           /* enum oracle_strategy */
};

struct oracle_summary {
	uint64_t messages;
	uint64_t triggers;             /* rows of oracle_copy_triggers() */
	uint64_t skipped_triggers;     /* rows of oracle_copy_skipped(): of messages that no reset let through */
	uint64_t skipped_messages;
	uint64_t orders;               /* standing at the end: rows of oracle_copy_book() */
	uint64_t unknown_references;   /* E, C, X, D, U of an order that does not stand */
	uint64_t duplicate_references; /* A, F, U that would enter a reference that stands */
	uint64_t suppressed;           /* signals within the cooldown, skipped messages left out */
	uint64_t crossed_events;       /* applied events that leave their symbol with bid >= ask */
	uint64_t type_counts[256];     /* by type byte, messages of every type */
	uint64_t error_offset;         /* byte of the stream; the length of the message at fault */
	uint32_t error_length;         /* length of that message, where it has one */
	uint32_t error_type;           /* type byte of that message, where it has one */
};

/* Rows as numpy reads them: little-endian, packed. */
struct oracle_trigger {
	uint64_t sequence; /* position */
	uint16_t symbol;   /* stock locate; 0 for the reflector */
	uint8_t side;      /* 'B', 'S'; 0 for the reflector */
	uint32_t price;    /* 1/10,000 of a dollar; 0 for the reflector */
	uint32_t shares;   /* 0 for the reflector */
} __attribute__((packed));
_Static_assert(sizeof(struct oracle_trigger) == 19, "numpy row of a trigger");

struct oracle_book_row {
	uint16_t symbol;
	uint8_t side;
	uint32_t price;
	uint32_t position; /* queue place within symbol, side and price; 0 first */
	uint64_t reference;
	uint32_t shares;
} __attribute__((packed));
_Static_assert(sizeof(struct oracle_book_row) == 23, "numpy row of a book order");

/* Sessions and resets are copied. NULL when memory is short. */
struct oracle *oracle_create(const struct oracle_options *options);
void oracle_destroy(struct oracle *oracle);

/* Once for each oracle. Returns enum oracle_status; after an error read the error fields of the summary alone. */
int oracle_replay(struct oracle *oracle, const uint8_t *stream, size_t size_bytes);

const struct oracle_summary *oracle_summary(const struct oracle *oracle);

/* The caller gives room for `summary.triggers` (`summary.skipped_triggers`) rows of 19 bytes, `summary.orders` rows of
 * 23 bytes, `summary.messages` stock locates of 2 bytes. */
void oracle_copy_triggers(const struct oracle *oracle, void *rows);
void oracle_copy_skipped(const struct oracle *oracle, void *rows);
void oracle_copy_locates(const struct oracle *oracle, void *locates); /* as each message says; 0: no symbol, or too short */
void oracle_copy_book(const struct oracle *oracle, void *rows); /* sorted by symbol, side, price, position */

/* Least bytes of a message of this type, 0 when the type is not of ITCH 5.0. */
uint32_t oracle_message_bytes(uint8_t type);

#endif
