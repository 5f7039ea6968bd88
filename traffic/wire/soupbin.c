/* SoupBinTCP packets. Essay and specification: soupbin.h. */
#include "traffic/wire/soupbin.h"

#include <ctype.h>
#include <string.h>

#include "traffic/wire/bytes.h"

void soupbin_strip(char *out, const uint8_t *text, uint32_t size) {
    uint32_t begin = 0, end = size;
    while (begin < end && text[begin] == ' ')
        begin++;
    while (end > begin && text[end - 1] == ' ')
        end--;
    for (uint32_t i = begin; i < end; i++)
        *out++ = (char)toupper(text[i]);
    *out = 0;
}

bool soupbin_parse_login(const uint8_t *packet, uint32_t length, struct soupbin_login *login) {
    char digits[20 + 1];
    if (length != SOUPBIN_LOGIN_LENGTH || packet[0] != 'L')
        return false;
    soupbin_strip(login->username, packet + 1, 6);
    soupbin_strip(login->password, packet + 7, 10);
    soupbin_strip(login->session, packet + 17, 10);
    soupbin_strip(digits, packet + 27, 20);
    login->sequence = 0;
    for (const char *digit = digits; *digit; digit++) {
        if (*digit < '0' || *digit > '9' || login->sequence > UINT64_MAX / 10 - 1)
            return false;
        login->sequence = login->sequence * 10 + (uint64_t)(*digit - '0');
    }
    return true;
}

uint32_t soupbin_put_accepted(uint8_t *out, const char *session, uint64_t sequence) {
    store_be16(out, SOUPBIN_ACCEPTED_BYTES - 2);
    out[2] = 'A';
    memset(out + 3, ' ', 30);
    size_t size = strlen(session);
    memcpy(out + 3 + 10 - size, session, size);  /* both fields are right-justified */
    uint8_t *digit = out + SOUPBIN_ACCEPTED_BYTES;
    do
        *--digit = (uint8_t)('0' + sequence % 10);
    while (sequence /= 10);
    return SOUPBIN_ACCEPTED_BYTES;
}

uint32_t soupbin_put_rejected(uint8_t *out, char reason) {
    store_be16(out, 2);
    out[2] = 'J';
    out[3] = (uint8_t)reason;
    return 4;
}

uint32_t soupbin_put_plain(uint8_t *out, char type) {
    store_be16(out, 1);
    out[2] = (uint8_t)type;
    return 3;
}
