"""What makes, models and firmware versions differ in, as data: one TOML file each, and what loads them."""
