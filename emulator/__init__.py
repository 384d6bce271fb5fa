"""What a SMETS1 device is: COSEM objects, metering, supply, logs, on a virtual clock."""
