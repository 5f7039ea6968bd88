"""IMIX noise: frames of 60, 590 and 1514 bytes, 7 to 4 to 1, spread over many channels of other feeds.

Three continuous streams whose field engine walks through the groups; the largest ones have random lengths on demand.
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
    STLTXCont,
    STLVmFixChecksumHw,
    STLVmFlowVar,
    STLVmTrimPktSize,
    STLVmWrFlowVar,
)

HEADERS = 14 + 20 + 8
SHARES = ((60, 7), (590, 4), (1514, 1))


class ImixNoise:
    """A stream a size, continuous."""

    def fields(self, size, options):
        """The group's last number, in the IP address and in the MAC; a random length where it is asked for."""
        group = [
            STLVmFlowVar("channel", min_value=1, max_value=options.channels, size=1, op="inc"),
            STLVmWrFlowVar("channel", pkt_offset=5),
            STLVmWrFlowVar("channel", pkt_offset=33),
        ]
        if options.random and size > 100:
            group += [
                STLVmFlowVar("length", min_value=64, max_value=size, size=2, op="random"),
                STLVmTrimPktSize("length"),
                STLVmWrFlowVar("length", pkt_offset="IP.len", add_val=-14),
                STLVmWrFlowVar("length", pkt_offset="UDP.len", add_val=-34),
            ]
        checksum = STLVmFixChecksumHw(l3_offset="IP", l4_offset="UDP", l4_type=CTRexVmInsFixHwCs.L4_TYPE_UDP)
        return STLScVmRaw([*group, checksum])

    def stream(self, size, share, options):
        _, second, third = (int(part) for part in options.network.split("."))
        packet = (
            Ether(dst=f"01:00:5e:{second & 0x7F:02x}:{third:02x}:00")
            / IP(src="10.200.0.3", dst=options.network + ".0", ttl=16)
            / UDP(sport=options.port, dport=options.port)
            / Raw(b"M" * (size - HEADERS))
        )
        rate = options.pps * share / sum(each for _, each in SHARES)
        return STLStream(
            name=f"imix{size}",
            packet=STLPktBuilder(pkt=packet, vm=self.fields(size, options)),
            mode=STLTXCont(pps=rate),
            isg=options.start + size / 100.0,  # not all at the same instant
        )

    def get_streams(self, direction=0, tunables=(), **kwargs):
        parser = argparse.ArgumentParser(prog="imix_noise", description=__doc__)
        parser.add_argument("--pps", type=float, default=10000.0, help="frames a second, all sizes together")
        parser.add_argument("--channels", type=int, default=32, help="groups that they are spread over")
        parser.add_argument("--random", type=int, default=0, help="1: larger frames have random lengths")
        parser.add_argument("--start", type=float, default=0.0, help="microseconds before the first frame")
        parser.add_argument("--network", default="239.200.3", help="first three numbers of the groups")
        parser.add_argument("--port", type=int, default=26602, help="UDP port")
        options = parser.parse_args(tunables)
        return [self.stream(size, share, options) for size, share in SHARES]


def register():
    return ImixNoise()
