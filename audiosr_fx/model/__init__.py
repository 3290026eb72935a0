"""The AudioSR model in PyTorch: tensors in, tensors out; nothing here knows files, sockets or clocks."""
