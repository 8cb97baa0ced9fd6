"""Tests of what other people's code uses: the client, the launcher and the pytest plugin."""
