"""Durability: what a commit promises about a power cut. A value that stores obey; it knows no store."""

from __future__ import annotations

from enum import Enum


class Durability(Enum):
    """How long a commit waits for the disk."""

    FULL = "full"
    """Nothing committed is ever lost: a node's own tip, a wallet."""
    BATCH = "batch"
    """The last commits, of a second or so, may be lost, whole; what is there is sound: initial sync and import."""
    NONE = "none"
    """Nothing is waited for: a power cut may spoil the data. For chains that live as long as their process."""
