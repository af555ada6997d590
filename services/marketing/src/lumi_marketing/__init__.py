"""Marketing: coupons and their redemptions."""
