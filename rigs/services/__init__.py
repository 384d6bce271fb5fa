"""Services of the industry around the meters, for rigs that need the whole chain."""
