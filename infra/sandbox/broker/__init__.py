"""The broker's desk: orders, matching, cash and margin. No sockets, no clock."""
