"""Incast of channels: many multicast channels answer the same event, all at once, on one wire.

A channel is a group of its own with a numbered feed; every event gives each channel a short burst. The bursts begin
together (or a skew apart), so that the wire and the receiver's ring take the sum of them.
"""

import argparse

from trex_stl_lib.api import (
    IP,
    UDP,
    CTRexVmInsFixHwCs,
    Ether,
    Raw,
    STLPktBuilder,
    STLScVmRaw,
    STLStream,
    STLTXMultiBurst,
    STLVmFixChecksumHw,
    STLVmFlowVar,
    STLVmWrFlowVar,
)

HEADERS = 14 + 20 + 8
SESSION = b"NOISE00001"  # what stands before the number of a packet


def multicast_mac(group):
    """RFC 1112: the group's lower 23 bits."""
    _, second, third, fourth = (int(part) for part in group.split("."))
    return f"01:00:5e:{second & 0x7F:02x}:{third:02x}:{fourth:02x}"


class Incast:
    """A stream a channel, multi_burst; the packet's number counts up in the payload."""

    def stream(self, channel, options):
        group = f"{options.network}.{channel + 1}"
        packet = (
            Ether(dst=multicast_mac(group))
            / IP(src="10.200.0.2", dst=group, ttl=16)
            / UDP(sport=options.port, dport=options.port)
            / Raw(SESSION + bytes(10) + b"I" * max(options.size - HEADERS - 20, 0))
        )
        number = STLScVmRaw(
            [
                STLVmFlowVar("number", min_value=1, max_value=2**63, size=8, op="inc"),
                STLVmWrFlowVar("number", pkt_offset=HEADERS + len(SESSION)),
                STLVmFixChecksumHw(l3_offset="IP", l4_offset="UDP", l4_type=CTRexVmInsFixHwCs.L4_TYPE_UDP),
            ]
        )
        mode = STLTXMultiBurst(
            pps=1e6 / options.spacing,
            pkts_per_burst=options.packets,
            ibg=options.gap,
            count=options.events,
        )
        return STLStream(
            name=f"channel{channel + 1}",
            packet=STLPktBuilder(pkt=packet, vm=number),
            mode=mode,
            isg=options.start + channel * options.skew,
        )

    def get_streams(self, direction=0, tunables=(), **kwargs):
        parser = argparse.ArgumentParser(prog="incast", description=__doc__)
        parser.add_argument("--channels", type=int, default=8, help="how many channels")
        parser.add_argument("--packets", type=int, default=4, help="packets that each sends at an event")
        parser.add_argument("--spacing", type=float, default=40.0, help="microseconds between them")
        parser.add_argument("--skew", type=float, default=0.0, help="microseconds from channel to channel")
        parser.add_argument("--gap", type=float, default=20000.0, help="microseconds from event to event")
        parser.add_argument("--events", type=int, default=0, help="how many; 0: for ever")
        parser.add_argument("--size", type=int, default=128, help="bytes of a frame, without its checksum")
        parser.add_argument("--start", type=float, default=0.0, help="microseconds before the first event")
        parser.add_argument("--network", default="239.200.2", help="first three numbers of the groups")
        parser.add_argument("--port", type=int, default=26601, help="UDP port")
        options = parser.parse_args(tunables)
        return [self.stream(channel, options) for channel in range(options.channels)]


def register():
    return Incast()
