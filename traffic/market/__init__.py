"""Where the messages come from: a stream source (model, ITCH file, capture) enters, a `Stream` leaves."""
