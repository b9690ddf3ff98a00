"""Known cheats and honest oddities, with what must become of each; `avogit selftest` runs them."""
