"""The steps of `doctor`: each is a pure function of the facts that the command has gathered."""
