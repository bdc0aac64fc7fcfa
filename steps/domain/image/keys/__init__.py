"""Every key of the settings, its type and its meaning, by what it is about."""
