"""Every permission that the protos ask for, with what it allows."""

PERMISSIONS = {
    "audit.read": "Read the audit log of every service.",
    "categories.write": "Make and change categories.",
    "coupons.read": "Read coupons and who redeemed them.",
    "coupons.write": "Make and change coupons.",
    "inventory.adjust": "Change what is in stock.",
    "inventory.read": "Read what is in stock, reserved and on hand.",
    "operations.read": "Read what the services could not do: events that were given up.",
    "operations.write": "Redrive and skip events that were given up, and publish events again.",
    "orders.cancel": "Cancel anybody's orders.",
    "orders.fulfill": "Fulfil and ship orders, and say that they arrived.",
    "orders.read": "Read anybody's orders.",
    "orders.write": "Change the notes and metadata of anybody's orders.",
    "payments.capture": "Capture and void payments.",
    "payments.read": "Read anybody's payments.",
    "payments.record": "Record payments that came in by hand.",
    "payments.refund": "Give money back.",
    "products.write": "Import, make and change products and their variants, and read drafts.",
    "roles.read": "Read roles and permissions.",
    "roles.write": "Give roles to users and take them.",
    "users.read": "Read anybody's account and what they may do.",
}
