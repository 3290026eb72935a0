"""Restore the missing top octaves of recordings: AudioSR as an effect, a batch tool and a service."""

__version__ = "0.1.0"
