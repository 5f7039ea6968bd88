"""Background and probe streams: what the lab asks for enters, TRex's own stream objects leave (worker only)."""

from typing import Any

from traffic.errors import InputError
from traffic.trex.library import Library
from traffic.trex.messages import StreamConfig

__all__ = ["build_stream"]

HEADER_BYTES = 14 + 20 + 8
FCS_BYTES = 4
PROBE_BYTES = 16  # TRex writes its latency header over the last bytes of the payload
SOURCE_PORT = 1025


def build_stream(library: Library, config: StreamConfig) -> Any:
    """An STLStream of `config`; addresses that are not given are the port's."""
    api = library.api
    room = config.frame_bytes - FCS_BYTES - HEADER_BYTES
    if config.latency and room < PROBE_BYTES:
        raise InputError(
            f"stream {config.name}: {config.frame_bytes} bytes have no room for TRex's latency header: "
            f"make it {HEADER_BYTES + FCS_BYTES + PROBE_BYTES + 2} or more"
        )
    addresses = {
        name: mac for name, mac in (("src", config.source_mac), ("dst", config.target_mac)) if mac is not None
    }
    frame = (
        api.Ether(**addresses)
        / api.IP(src=config.source, dst=config.target)
        / api.UDP(sport=SOURCE_PORT, dport=config.udp_port)
        / bytes(max(room, 0))
    )
    mode = (
        api.STLTXCont(pps=config.rate_per_s)
        if config.packets is None
        else api.STLTXSingleBurst(pps=config.rate_per_s, total_pkts=config.packets)
    )
    statistics = None
    if config.flow is not None:
        kind = api.STLFlowLatencyStats if config.latency else api.STLFlowStats
        statistics = kind(pg_id=config.flow)
    keep = {}
    if config.source_mac is not None:
        keep["mac_src_override_by_pkt"] = 1
    if config.target_mac is not None:
        keep["mac_dst_override_mode"] = api.STLStreamDstMAC_PKT
    return api.STLStream(
        name=config.name, packet=api.STLPktBuilder(pkt=frame), mode=mode, flow_stats=statistics, **keep
    )
