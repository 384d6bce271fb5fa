"""Prepayment tokens: the 20 digits (UTRN) that a customer types in, what they hold and how a meter proves them."""
