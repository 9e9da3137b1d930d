"""Who may call and what for: user tokens, OAuth2, quote rights, and the gate that joins them."""
