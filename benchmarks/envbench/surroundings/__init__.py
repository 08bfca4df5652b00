"""What a process stands in: its clock, its streams, the user's folders and programs."""
