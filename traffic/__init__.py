"""What the world sends: a configuration enters, market data on two lines and an order gateway leave.

Run it as `python -m traffic CONFIG.json`; process.py has the protocol.
"""
