"""Prepayment: the account of a meter, what it charges, the tokens it takes and the buttons and display in front."""
