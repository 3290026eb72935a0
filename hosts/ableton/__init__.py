"""Ableton Live: a Max for Live device, and a way over AbletonOSC."""
