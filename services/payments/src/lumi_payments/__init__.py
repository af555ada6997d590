"""Payments: what was asked for, authorized, captured and given back."""
