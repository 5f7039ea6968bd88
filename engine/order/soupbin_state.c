/* The transition table of a SoupBinTCP client session, and the names of its states: see soupbin.h. */
#include "engine/order/soupbin.h"

#define NO SOUPBIN_REFUSED
#define CLOSED_ SOUPBIN_CLOSED

/* Columns: connected, login, A, J, S, U, H, '+', Z, logout, fault, disconnected. */
static const uint8_t transitions[SOUPBIN_STATE_COUNT][SOUPBIN_EVENT_COUNT] = {
    [SOUPBIN_CLOSED] = {SOUPBIN_CONNECTED, NO, NO, NO, NO, NO, NO, NO, NO, NO, CLOSED_, CLOSED_},
    [SOUPBIN_CONNECTED] = {NO, SOUPBIN_WAIT_LOGIN, NO, NO, NO, NO, NO, SOUPBIN_CONNECTED, NO, NO,
                           CLOSED_, CLOSED_},
    [SOUPBIN_WAIT_LOGIN] = {NO, NO, SOUPBIN_UP, CLOSED_, NO, NO, SOUPBIN_WAIT_LOGIN,
                            SOUPBIN_WAIT_LOGIN, NO, NO, CLOSED_, CLOSED_},
    [SOUPBIN_UP] = {NO, NO, NO, NO, SOUPBIN_UP, SOUPBIN_UP, SOUPBIN_UP, SOUPBIN_UP, SOUPBIN_ENDED,
                    SOUPBIN_LEAVING, CLOSED_, CLOSED_},
    [SOUPBIN_LEAVING] = {NO, NO, NO, NO, SOUPBIN_LEAVING, SOUPBIN_LEAVING, SOUPBIN_LEAVING,
                         SOUPBIN_LEAVING, SOUPBIN_ENDED, NO, CLOSED_, CLOSED_},
    [SOUPBIN_ENDED] = {SOUPBIN_CONNECTED, NO, NO, NO, NO, SOUPBIN_ENDED, SOUPBIN_ENDED, SOUPBIN_ENDED,
                       NO, NO, CLOSED_, SOUPBIN_ENDED},
};

uint8_t soupbin_transition(uint8_t state, uint8_t event)
{
    if (state >= SOUPBIN_STATE_COUNT || event >= SOUPBIN_EVENT_COUNT)
        return SOUPBIN_REFUSED;
    return transitions[state][event];
}

const char *soupbin_state_name(uint8_t state)
{
    static const char *const names[SOUPBIN_STATE_COUNT] = {"closed", "connected", "wait_login",
                                                           "up", "leaving", "ended"};
    return state < SOUPBIN_STATE_COUNT ? names[state] : "unknown";
}

const char *soupbin_cause_name(uint8_t cause)
{
    static const char *const names[SOUPBIN_CAUSE_COUNT] = {
        "none", "disconnected", "login_not_authorised", "login_no_session", "login_rejected",
        "login_timeout", "server_silent", "oversize", "protocol", "sequence_gap", "session_mismatch",
        "not_drained", "end_of_session", "logout"};
    return cause < SOUPBIN_CAUSE_COUNT ? names[cause] : "unknown";
}
