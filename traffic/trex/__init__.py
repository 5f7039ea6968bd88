"""The TRex side of traffic: the client library, in processes of its own."""
