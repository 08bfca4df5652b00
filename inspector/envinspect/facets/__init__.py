"""What else is asked of a place: what it may use, what separates it, what it can do, what it runs on."""
