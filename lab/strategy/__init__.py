"""tailgate strategy: strategies as shared objects are built and checked before an engine sees them."""
