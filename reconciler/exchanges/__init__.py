"""How to ask an exchange: an adapter a venue, one way to guard requests, one to choose them."""
