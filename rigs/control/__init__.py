"""Control of a running rig: what people do at its devices, as an HTTP API, and its client."""
