"""The real year: a grocer's baskets bought through the gateway and reconciled to the cent."""
