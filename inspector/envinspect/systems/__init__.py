"""The doors to a system: this machine, a capture, a mounted root filesystem. Only here is a machine touched."""
