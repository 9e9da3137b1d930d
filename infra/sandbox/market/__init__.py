"""What is traded: contracts, hours, prices and what is published about them."""
