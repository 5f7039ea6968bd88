/* Names of the feed's enums, for reports and tests; the enums are in state.h and feed.h. */
#include "engine/feed/feed.h"

const char *feed_state_name(enum feed_state state)
{
    static const char *const names[FEED_STATE_COUNT] = {
        [FEED_STARTUP] = "STARTUP",       [FEED_SYNC] = "SYNC",     [FEED_LIVE] = "LIVE", [FEED_GAP] = "GAP",
        [FEED_RECOVERING] = "RECOVERING", [FEED_RESYNC] = "RESYNC", [FEED_DOWN] = "DOWN", [FEED_ENDED] = "ENDED",
    };

    return (unsigned)state < FEED_STATE_COUNT ? names[state] : "unknown";
}

const char *feed_cause_name(enum feed_cause cause)
{
    static const char *const names[FEED_CAUSE_COUNT] = {
        [FEED_CAUSE_IN_SEQUENCE] = "in_sequence",
        [FEED_CAUSE_HOLD_BACK_EXPIRED] = "hold_back_expired",
        [FEED_CAUSE_REORDER_FULL] = "reorder_full",
        [FEED_CAUSE_SESSION_MISMATCH] = "session_mismatch",
        [FEED_CAUSE_LINES_SILENT] = "lines_silent",
        [FEED_CAUSE_END_OF_SESSION] = "end_of_session",
        [FEED_CAUSE_RECOVERED] = "recovered",
        [FEED_CAUSE_REQUESTS_EXHAUSTED] = "requests_exhausted",
        [FEED_CAUSE_HOLE_TOO_LARGE] = "hole_too_large",
        [FEED_CAUSE_SNAPSHOT_JOINED] = "snapshot_joined",
        [FEED_CAUSE_SNAPSHOT_FAILED] = "snapshot_failed",
        [FEED_CAUSE_NEW_SESSION] = "new_session",
        [FEED_CAUSE_LATE_START] = "late_start",
        [FEED_CAUSE_RETRY] = "retry",
    };

    return (unsigned)cause < FEED_CAUSE_COUNT ? names[cause] : "unknown";
}

const char *feed_outcome_name(enum feed_outcome outcome)
{
    static const char *const names[FEED_OUTCOME_COUNT] = {
        [FEED_ACCEPT_DELIVERABLE] = "deliverable",
        [FEED_ACCEPT_BUFFERED] = "buffered",
        [FEED_ACCEPT_DUPLICATE] = "duplicate",
        [FEED_ACCEPT_HEARTBEAT] = "heartbeat",
        [FEED_ACCEPT_END] = "end",
        [FEED_ACCEPT_MALFORMED] = "malformed",
        [FEED_ACCEPT_SESSION_MISMATCH] = "session_mismatch",
        [FEED_ACCEPT_REORDER_FULL] = "reorder_full",
        [FEED_ACCEPT_OVERSIZE] = "oversize",
        [FEED_ACCEPT_AFTER_END] = "after_end",
        [FEED_ACCEPT_BAD_LINE] = "bad_line",
        [FEED_ACCEPT_NOT_DRAINED] = "not_drained",
        [FEED_ACCEPT_SUSPECT] = "suspect",
    };

    return (unsigned)outcome < FEED_OUTCOME_COUNT ? names[outcome] : "unknown";
}

const char *feed_way_name(enum feed_way way)
{
    static const char *const names[FEED_WAY_COUNT] = {
        [FEED_WAY_NONE] = "none",
        [FEED_WAY_LINES] = "lines",
        [FEED_WAY_REQUEST] = "request",
        [FEED_WAY_SNAPSHOT] = "snapshot",
    };

    return (unsigned)way < FEED_WAY_COUNT ? names[way] : "unknown";
}
