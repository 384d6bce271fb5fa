"""Commands and non-volatile items of TI's ZNP radio processor, over the frames of :mod:`protocols.zigbee.mt`."""
