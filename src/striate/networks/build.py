"""From a name and options to a network."""

from __future__ import annotations

import difflib

from striate.errors import RequestError, UnknownNameError
from striate.networks.base import NETWORKS, Network, NetworkInfo, NetworkOptions
from striate.networks.timm_networks import PREFIX, describe_timm, timm_names


def resolve_network(name: str) -> NetworkInfo:
    """The row of the table of networks for a registered name or `timm/NAME`.

    Raises:
        UnknownNameError: No such network; the nearest names, registered and timm's, are offered.
    """
    if name.startswith(PREFIX):
        bare = name.removeprefix(PREFIX)
        if bare.split(".")[0] in timm_names():
            return describe_timm(bare)
    elif name in NETWORKS:
        return NETWORKS.get(name)
    raise UnknownNameError(f"there is no network named {name!r}.", where="network", fix=_nearest(name))


def build_network(name: str, options: NetworkOptions) -> Network:
    """A network with fresh weights.

    Raises:
        UnknownNameError: No such network, activation or pooling.
        RequestError: An option that does not hold, or pictures too small for the network.
    """
    if options.classes < 1 or options.channels < 1 or min(options.size_hw) < 1:
        raise RequestError(
            f"a network needs at least one class, one channel and one pixel, found classes={options.classes}, "
            f"channels={options.channels}, size_hw={options.size_hw}.",
            where="options",
            fix="Give positive numbers.",
        )
    return resolve_network(name).build(options)


def _nearest(name: str) -> str:
    bare = name.removeprefix(PREFIX).lower()
    begun = [known for known in NETWORKS.names() if bare and known.startswith(bare)]
    ours = begun[:5] or difflib.get_close_matches(bare, NETWORKS.names(), n=3, cutoff=0.6)
    theirs = [PREFIX + hit for hit in difflib.get_close_matches(bare, timm_names(), n=3, cutoff=0.6)]
    found = theirs + ours if name.startswith(PREFIX) else ours + theirs
    if not found:
        return f"Known: {', '.join(NETWORKS.names())}, and timm/NAME for any name of the timm library."
    return f"Nearest: {', '.join(found)}."
