"""What runs in a pod: typed step templates, the clients they use, and the media service."""
