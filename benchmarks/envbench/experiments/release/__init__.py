"""What an instance leaves behind once it is gone."""
