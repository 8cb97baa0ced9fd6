"""Tests of the RPC methods."""
