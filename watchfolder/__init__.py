"""The daemon that renders what is dropped into a folder."""
