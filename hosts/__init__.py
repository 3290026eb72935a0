"""Bridges to digital audio workstations."""
