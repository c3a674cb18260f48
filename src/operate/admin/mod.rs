//! The local API's server: one route table.
