"""What runs inside an instance: one tree, and the forms in which each kind of backend takes it."""
