//! DNS for workloads: wire, forwarding, and the memory of which agent was given which address for which name.
