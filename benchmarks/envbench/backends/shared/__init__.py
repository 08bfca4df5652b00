"""What several backends are made of: children and their pipes, bundles and images, calls of an engine's interface."""
