"""Tracers of geth's debug interface: steps, calls, prestate and selectors. They watch frames and know no RPC."""
