//! Steps become metrics with labels that nobody outside chooses.
