"""The media service: serves each host its own ISO, spliced from one file as the BMC reads it."""
