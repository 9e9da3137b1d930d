"""The demonstration: one order's whole way on real parts, told as it happens and checked after."""
