"""The commands of the DAW bridge: serve, send and midi."""
