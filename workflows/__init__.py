"""What runs at the desk: workflows written with Hera, the `hera` command, and the engines that run them."""
