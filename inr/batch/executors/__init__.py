"""Where jobs can run; one file each."""
