"""The paper exchange: a server that speaks the Binance spot dialect about simulated orders."""
