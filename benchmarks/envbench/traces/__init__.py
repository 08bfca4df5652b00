"""What a run makes on a machine: written down before it is made, found again by the run's id, and removed."""
