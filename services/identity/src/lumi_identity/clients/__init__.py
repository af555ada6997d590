"""Whom identity asks: whoever carries its mails, and the other services."""
