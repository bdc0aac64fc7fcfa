"""Steps which make a VM with an installed and provisioned system of an installer's ISO, or of a base image."""
