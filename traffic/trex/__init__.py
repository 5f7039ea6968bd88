"""TRex as the second driver of the market: its client library, the process around it, files it plays, its server."""
