//! Hot loops, with run-time SIMD dispatch; nothing else in the tree knows about instruction sets.
