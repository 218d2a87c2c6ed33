"""Reddit's API through PRAW: one request a call, one budget for all crawlers, every failure with a class."""
