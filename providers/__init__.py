"""Where data comes from. No Django here; everything is told by arguments."""
