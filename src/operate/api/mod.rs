//! Wire types of the local API and its client.
