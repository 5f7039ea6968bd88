"""tailgate ctl: commands to a running engine through its control socket."""
