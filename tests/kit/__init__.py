"""What tests of more than one service stand on."""
