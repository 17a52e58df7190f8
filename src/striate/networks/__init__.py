"""The networks: one file per family, each variant one line of a table."""

from striate.networks.base import NETWORKS, Backbone, Network, NetworkInfo, NetworkOptions, Published
from striate.networks.build import build_network, resolve_network
from striate.networks.weights import Normalisation, WeightsUsed

__all__ = [
    "Backbone",
    "NETWORKS",
    "Network",
    "NetworkInfo",
    "NetworkOptions",
    "Normalisation",
    "Published",
    "WeightsUsed",
    "build_network",
    "resolve_network",
]
