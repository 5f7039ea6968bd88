/* Essay: noise.h. */
#include "traffic/exchange/noise.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static void prepare_next(struct noise *noise) {
    noise->due_ns = INT64_MAX;
    if (noise->next == noise->options.record_count)
        return;
    struct noise_record *record = &noise->options.records[noise->next];
    record->bytes = field_run(&noise->options.streams[record->stream].program);
    noise->due_ns = noise->start_ns + record->intended_ns - noise->lead_ns;
}

int noise_open(struct noise *noise, const struct noise_options *options, struct line *lines) {
    memset(noise, 0, sizeof *noise);
    noise->options = *options;
    noise->lines = lines;
    noise->due_ns = INT64_MAX;
    for (uint32_t i = 0; i < options->stream_count; i++) {
        struct noise_stream *stream = &options->streams[i];
        if (stream->line >= LINES_MAX || !field_good(&stream->program))
            return -EINVAL;
        if (stream->line_mac)
            memcpy(stream->program.frame + 6, lines[stream->line].frame.header + 6, 6);
        field_begin(&stream->program);
    }
    for (uint64_t i = 0; i < options->record_count; i++)
        if (options->records[i].stream >= options->stream_count)
            return -EINVAL;
    return 0;
}

void noise_start(struct noise *noise, int64_t start_ns, int64_t lead_ns) {
    noise->start_ns = start_ns;
    noise->lead_ns = lead_ns;
    prepare_next(noise);
}

void noise_send(struct noise *noise, int64_t now_ns) {
    struct noise_record *record = &noise->options.records[noise->next];
    struct noise_stream *stream = &noise->options.streams[record->stream];
    int64_t late_ns = now_ns - noise->due_ns;
    record->intended_ns += noise->start_ns;
    if (send(noise->lines[stream->line].socket, stream->program.frame, record->bytes, MSG_DONTWAIT) < 0) {
        stream->errors++;
    } else {
        record->sent_ns = now_ns;
        stream->frames++;
        stream->bytes += record->bytes;
        stream->forced += late_ns >= NOISE_PATIENCE_NS;
        if (late_ns > stream->late_max_ns)
            stream->late_max_ns = late_ns;
    }
    noise->gone_ns = now_ns;
    noise->next++;
    prepare_next(noise);
}
