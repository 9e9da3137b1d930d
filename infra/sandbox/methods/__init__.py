"""Tiger's methods: each reads its parameters, asks the broker or the market, and answers."""
