"""Steps which take a bare server to a verified ESXi host."""
