"""The one error that a person is meant to read."""


class UserError(Exception):
    """A mistake in what a person gave us, or something around us that is not there.

    Its text is one line that names the value, the rule and the remedy. Commands print it, without a traceback,
    and end with a non-zero exit code.
    """
