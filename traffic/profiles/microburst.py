"""Microbursts of one channel: bursts of packets a fixed spacing apart, with silence between the bursts.

As when a neighbouring channel prints an auction while ours is quiet. TRex: start -f traffic/profiles/microburst.py
-t --packets 64 --spacing 2
"""

import argparse

from trex_stl_lib.api import IP, UDP, Ether, Raw, STLPktBuilder, STLStream, STLTXMultiBurst

HEADERS = 14 + 20 + 8


def multicast_mac(group):
    """RFC 1112: the group's lower 23 bits."""
    _, second, third, fourth = (int(part) for part in group.split("."))
    return f"01:00:5e:{second & 0x7F:02x}:{third:02x}:{fourth:02x}"


class Microburst:
    """One stream, multi_burst."""

    def get_streams(self, direction=0, tunables=(), **kwargs):
        parser = argparse.ArgumentParser(prog="microburst", description=__doc__)
        parser.add_argument("--packets", type=int, default=64, help="packets in a burst")
        parser.add_argument("--spacing", type=float, default=5.0, help="microseconds from packet to packet")
        parser.add_argument("--gap", type=float, default=10000.0, help="microseconds from burst to burst")
        parser.add_argument("--bursts", type=int, default=0, help="how many; 0: for ever")
        parser.add_argument("--size", type=int, default=200, help="bytes of a frame, without its checksum")
        parser.add_argument("--start", type=float, default=0.0, help="microseconds before the first burst")
        parser.add_argument("--group", default="239.200.1.1", help="multicast group")
        parser.add_argument("--port", type=int, default=26600, help="UDP port")
        options = parser.parse_args(tunables)
        packet = (
            Ether(dst=multicast_mac(options.group))
            / IP(src="10.200.0.1", dst=options.group, ttl=16)
            / UDP(sport=options.port, dport=options.port)
            / Raw(b"B" * max(options.size - HEADERS, 18))
        )
        mode = STLTXMultiBurst(
            pps=1e6 / options.spacing,
            pkts_per_burst=options.packets,
            ibg=options.gap,
            count=options.bursts,
        )
        return [
            STLStream(name="burst", packet=STLPktBuilder(pkt=packet), mode=mode, isg=options.start),
        ]


def register():
    return Microburst()
