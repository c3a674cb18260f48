//! The gateway's own CA and the leaves it signs.
