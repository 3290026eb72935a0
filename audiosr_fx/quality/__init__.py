"""Measures of quality, naive baselines and comparisons."""
