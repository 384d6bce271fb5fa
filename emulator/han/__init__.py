"""The home area network: how messages get from device to device, and the hub's mirror of the gas meter that sleeps."""
