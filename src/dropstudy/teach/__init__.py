"""`dropstudy teach`: a page on which a class draws a digit, drops units, and trains with and without dropout."""
