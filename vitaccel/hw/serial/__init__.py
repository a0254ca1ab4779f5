"""The serial core: one microprogrammed processor with a dot-product unit runs every instruction."""
