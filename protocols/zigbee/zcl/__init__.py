"""The Zigbee Cluster Library: frames, attribute types, the commands that all clusters share, and clusters as data."""
