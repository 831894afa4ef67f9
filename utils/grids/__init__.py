"""Many runs: grids of flags, and the runs that they leave."""
