"""A Reddit to rehearse against: nothing here is a real person, subreddit or post."""
