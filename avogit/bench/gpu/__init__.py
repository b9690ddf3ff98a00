"""Measuring on an NVIDIA GPU: launchers without torch, and what the oracle needs for one.

A launcher is trusted code that maps the oracle's buffers, loads a candidate's cubins and replays
its launch plans. No host code of a candidate runs in it, and its context holds nothing but those
buffers, so that it may hold the events that time a call.
"""
