"""Parsers: bytes or text in, plain values out.

Any input is accepted; what makes no sense is left out, nothing raises.
"""
