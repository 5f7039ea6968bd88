"""STL profiles, what loads them, and the compiler that makes a program for the exchange's pacer of them."""
