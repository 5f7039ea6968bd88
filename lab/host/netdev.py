"""An interface of this thread's namespace goes in; what the kernel (6.3 or newer) says of its XDP comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyroute2.netlink import NLM_F_REQUEST, genlmsg
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.generic import GenericNetlinkSocket

__all__ = ["XdpSupport", "xdp_support"]

FAMILY, DEV_GET, VERSION = "netdev", 1, 1
BASIC, REDIRECT, ZERO_COPY = 1 << 0, 1 << 1, 1 << 3
RX_TIMESTAMP = 1 << 0


@dataclass(frozen=True, kw_only=True)
class XdpSupport:
    """``native``: programs run in the driver. ``rx_timestamp``: they can ask for the card's stamp of a packet."""

    native: bool
    redirect: bool
    zero_copy: bool
    rx_timestamp: bool


class Device(genlmsg):  # type: ignore[misc]
    nla_map = (
        ("NETDEV_A_DEV_UNSPEC", "none"),
        ("NETDEV_A_DEV_IFINDEX", "uint32"),
        ("NETDEV_A_DEV_PAD", "none"),
        ("NETDEV_A_DEV_XDP_FEATURES", "uint64"),
        ("NETDEV_A_DEV_XDP_ZC_MAX_SEGS", "uint32"),
        ("NETDEV_A_DEV_XDP_RX_METADATA_FEATURES", "uint64"),
        ("NETDEV_A_DEV_XSK_FEATURES", "uint64"),
    )


def xdp_support(index: int) -> XdpSupport | None:
    """None when the kernel has no such answer: then nobody can know without trying."""
    asked: Any = Device()
    asked["cmd"], asked["version"] = DEV_GET, VERSION
    asked["attrs"].append(("NETDEV_A_DEV_IFINDEX", index))
    with GenericNetlinkSocket() as opened:
        try:
            opened.bind(FAMILY, Device)
            answers = opened.nlm_request(asked, msg_type=opened.prid, msg_flags=NLM_F_REQUEST)
        except NetlinkError:
            return None
        for answer in answers:
            features = answer.get_attr("NETDEV_A_DEV_XDP_FEATURES") or 0
            metadata = answer.get_attr("NETDEV_A_DEV_XDP_RX_METADATA_FEATURES") or 0
            return XdpSupport(
                native=bool(features & BASIC),
                redirect=bool(features & REDIRECT),
                zero_copy=bool(features & ZERO_COPY),
                rx_timestamp=bool(metadata & RX_TIMESTAMP),
            )
    return None
