"""Reports to tables or JSON, progress to stderr; the only writer of results to stdout.

One module a verb, named as in ``ops``; each has ``show(report, out)``.
"""
