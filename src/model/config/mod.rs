//! `clawgress.yaml` as checked settings.
