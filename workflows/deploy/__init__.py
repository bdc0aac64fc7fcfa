"""What `hera deploy` brings a cluster to: pure builders of its objects, and how they are applied and checked."""
