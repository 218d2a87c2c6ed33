"""What each verb does, one file or package a verb; each owns its report."""
