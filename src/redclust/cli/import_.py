def command() -> None:
    "X"
