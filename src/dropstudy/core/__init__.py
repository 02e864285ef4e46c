"""What all rooms use and none owns: types, text, checks of values, files that are whole or not at all, hardware."""
