"""The radio processor of a hub on a serial line: what a third party's Zigbee host speaks to in place of our hub."""
