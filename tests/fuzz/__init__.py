"""What all that reads foreign bytes must hold to, whatever they are; and a fuzzer that looks for bytes for which it does not."""
