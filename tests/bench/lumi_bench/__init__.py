"""What a call of Lumi costs, beside the bare programs beneath it."""
