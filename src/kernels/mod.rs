//! Hot loops, with run-time SIMD dispatch; nothing else in the tree knows about instruction sets.
//!
//! Every kernel is written once, as plain Rust over fixed-size lane arrays, and compiled once for each [`Level`]. The body uses only
//! IEEE additions, multiplications, divisions and square roots in a fixed order, never a fused multiply-add, so that all levels give
//! the same bits.

pub mod line;
pub mod normal;
pub mod real;
pub mod relu;

use std::sync::OnceLock;

pub use real::Real;

/// An instruction set a kernel is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Portable,
    Avx2,
    Avx512,
}

impl Level {
    pub const ALL: [Level; 3] = [Level::Portable, Level::Avx2, Level::Avx512];

    /// The best level of this processor.
    pub fn best() -> Level {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| Self::ALL.into_iter().rfind(|level| level.is_available()).unwrap_or(Level::Portable))
    }

    /// Whether this processor can run `self`.
    #[cfg(target_arch = "x86_64")]
    pub fn is_available(self) -> bool {
        match self {
            Level::Portable => true,
            Level::Avx2 => is_x86_feature_detected!("avx2"),
            Level::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub fn is_available(self) -> bool {
        self == Level::Portable
    }
}

/// Compiles the body of a kernel for every [`Level`] and dispatches on a level that is available.
///
/// `dispatch!(level, body [Generic: Bound] (name: Type, …) -> Result, values…)` calls `body`, which must be `#[inline(always)]`.
macro_rules! dispatch {
    ($level:expr, $body:path [$($generic:ident : $bound:path)?] ( $($argument:ident : $type:ty),* ) $(-> $result:ty)?,
     $($value:expr),*) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
        fn avx512<$($generic: $bound)?>($($argument: $type),*) $(-> $result)? {
            $body($($argument),*)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2")]
        fn avx2<$($generic: $bound)?>($($argument: $type),*) $(-> $result)? {
            $body($($argument),*)
        }
        let level: $crate::kernels::Level = $level;
        assert!(level.is_available(), "this processor has no {level:?}");
        match level {
            // SAFETY: the features were just found on this processor.
            #[cfg(target_arch = "x86_64")]
            $crate::kernels::Level::Avx512 => unsafe { avx512($($value),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            $crate::kernels::Level::Avx2 => unsafe { avx2($($value),*) },
            _ => $body($($value),*),
        }
    }};
}
pub(crate) use dispatch;
