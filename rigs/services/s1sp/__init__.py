"""The S1SP's UTRN service: two sites that issue top-up tokens, and a witness that lets one of them go on alone."""
