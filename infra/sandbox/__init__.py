"""The sandbox broker: Tiger's HTTP wire protocol in front of a small, deterministic exchange.

It stands at the far end of an order's way, where in production Tiger stands. It imports nothing
of this project's other parts, so that one bug cannot sit on both sides of the wire.

Layers, lowest first: `instruments`, `prices`, `records`, `book`, `margin`, `checks`, `engine` (no
sockets, no clock) - `wire`, `answers`, `trade_methods`, `quote_methods` (Tiger's protocol) -
`http_server`, `faults`, `gateway`, `control` (sockets) - `service` (joins them), `client`.
"""
