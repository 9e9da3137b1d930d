"""Tiger's HTTP protocol: envelopes, signatures, replies, and what may go wrong with them."""
