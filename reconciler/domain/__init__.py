"""What an order is and what may be done to one: pure decisions, no I/O, no clock."""
