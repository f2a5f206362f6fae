"""Ten situations that somebody on call meets, each produced for real."""
