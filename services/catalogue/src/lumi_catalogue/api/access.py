"""What a caller may see beyond what everybody may."""

from lumi_common.context import Context


def sees_drafts(context: Context) -> bool:
    """Whether products that are not ACTIVE, and their variants, are shown to the caller."""
    return context.principal.may("products.write")
