"""Heads for tasks that say where something is, one file each; built from a backbone's `FeatureSpec` alone."""

from striate.networks.heads.base import HEADS, Head, HeadInfo, choose_stages, find_head, one_stage_a_stride

__all__ = ["HEADS", "Head", "HeadInfo", "choose_stages", "find_head", "one_stage_a_stride"]
