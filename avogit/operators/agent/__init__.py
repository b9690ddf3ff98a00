"""`agent`: the built-in variation operator, a loop over any OpenAI-compatible endpoint.

Read `operator` for a step's beginning and end, `loop` for the conversation, `tools` for what the
model can do, `session` for its state, `client` and `replies` for the endpoint.
"""
