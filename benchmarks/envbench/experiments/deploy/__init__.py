"""`envbench deploy`: from nothing to ready, the transfer included."""
