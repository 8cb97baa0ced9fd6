"""What is stored and how: KV views, the journal that undoes, and two stores."""
