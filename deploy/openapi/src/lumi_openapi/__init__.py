"""The API's page: OpenAPI generated from the contract, and the files that show it."""
