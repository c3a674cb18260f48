//! Send a request, relay a flow.
