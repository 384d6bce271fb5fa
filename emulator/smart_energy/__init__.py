"""Zigbee Smart Energy on the devices: endpoints, clusters, reports, and the device profile (ZDO)."""
