"""Bitcoin script, exactly as Bitcoin Core runs it. It knows no chain: what is in force comes as flags."""
