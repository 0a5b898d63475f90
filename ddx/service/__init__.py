"""`ddx serve`: the model over HTTP, by the same path as the commands.

`worker` is one model behind a bounded line, without FastAPI: another program can use it in its own process.
"""
