"""Presets shipped with the project, one TOML file each."""
