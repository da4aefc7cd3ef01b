//! What a hostile tool tries.
