"""Networks from elsewhere as layers of PyTorch, so that they can be looked into."""

from __future__ import annotations
