"""Pure decisions and data: no network, no clock, no Hera."""
