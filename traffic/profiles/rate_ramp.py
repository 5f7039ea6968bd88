"""A rate ramp: steps of equal length, each faster than the one before, as a chain of streams.

For the question at which load of other channels a receiver begins to lose its own: the step that is on the wire when
it happens says it.
"""

import argparse

from trex_stl_lib.api import IP, UDP, Ether, Raw, STLPktBuilder, STLStream, STLTXSingleBurst

HEADERS = 14 + 20 + 8


def multicast_mac(group):
    """RFC 1112: the group's lower 23 bits."""
    _, second, third, fourth = (int(part) for part in group.split("."))
    return f"01:00:5e:{second & 0x7F:02x}:{third:02x}:{fourth:02x}"


class RateRamp:
    """A stream a step, single_burst, chained by next; the last one starts the first again, --times in all."""

    def get_streams(self, direction=0, tunables=(), **kwargs):
        parser = argparse.ArgumentParser(prog="rate_ramp", description=__doc__)
        parser.add_argument("--first", type=float, default=1000.0, help="frames a second of the first step")
        parser.add_argument("--last", type=float, default=20000.0, help="frames a second of the last step")
        parser.add_argument("--steps", type=int, default=10, help="how many")
        parser.add_argument("--step", type=float, default=100.0, help="milliseconds of each")
        parser.add_argument("--times", type=int, default=1, help="how often in all; 0: for ever")
        parser.add_argument("--size", type=int, default=128, help="bytes of a frame, without its checksum")
        parser.add_argument("--start", type=float, default=0.0, help="microseconds before the first frame")
        parser.add_argument("--group", default="239.200.4.1", help="multicast group")
        parser.add_argument("--port", type=int, default=26603, help="UDP port")
        options = parser.parse_args(tunables)
        packet = (
            Ether(dst=multicast_mac(options.group))
            / IP(src="10.200.0.4", dst=options.group, ttl=16)
            / UDP(sport=options.port, dport=options.port)
            / Raw(b"R" * max(options.size - HEADERS, 18))
        )
        streams = []
        for step in range(options.steps):
            rate = options.first + (options.last - options.first) * step / max(options.steps - 1, 1)
            again = step + 1 == options.steps
            ends = again and options.times == 1
            streams.append(
                STLStream(
                    name=f"step{step + 1}",
                    packet=STLPktBuilder(pkt=packet),
                    mode=STLTXSingleBurst(pps=rate, total_pkts=max(int(rate * options.step / 1e3), 1)),
                    isg=options.start if step == 0 else 1e6 / rate,
                    self_start=step == 0,
                    next=None if ends else f"step{1 if again else step + 2}",
                    action_count=options.times if again else 0,
                )
            )
        return streams


def register():
    return RateRamp()
