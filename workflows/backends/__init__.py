"""The engines a rendered manifest runs on."""
