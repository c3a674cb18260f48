//! The story of one connection: the only place that knows the order of stages.
