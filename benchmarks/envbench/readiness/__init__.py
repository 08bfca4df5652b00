"""Whether what was started is ready: by its output, by its port, by a command inside."""
