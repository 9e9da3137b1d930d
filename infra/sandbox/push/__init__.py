"""The push side: Tiger's protobuf frames over TCP and TLS, for orders, holdings and quotes."""
