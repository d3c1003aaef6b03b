"""Every figure as a function that draws into given axes."""
