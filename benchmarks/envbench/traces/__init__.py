"""What a run leaves on a machine: written down before it is made, found by its marks, removed without trace."""
