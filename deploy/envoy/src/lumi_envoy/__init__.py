"""The gateway: Envoy's configuration, generated from the contract."""
