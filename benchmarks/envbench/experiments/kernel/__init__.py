"""Whose kernel runs the payload, and what else an environment takes: other architectures, systems and images."""
