"""Steps which make an appliance of a base image, and an OVA of an appliance."""
