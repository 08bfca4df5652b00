"""Containers that containerd starts through its own command, and the events that it reports about them."""
