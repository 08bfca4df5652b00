"""What can be seen and done from inside an instance, and across two of them."""
