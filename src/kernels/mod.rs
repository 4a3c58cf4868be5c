//! Hot loops, with run-time SIMD dispatch; nothing else in the tree knows about instruction sets.
//!
//! Most kernels are written once, as plain Rust over fixed-size lane arrays, and compiled once for each [`Level`]. The body uses only
//! IEEE additions, multiplications, divisions and square roots in a fixed order, never a fused multiply-add, so that all levels give
//! the same bits. So do the levels of [`gemm`], of [`line`] and of the readout in [`masks`], which are written over vectors of intrinsics;
//! the first always fuses, the others never do. The rates in the headers were printed by `cargo bench --bench kernels` on one core of an AMD
//! EPYC (Zen 5), in 10⁹ numbers a second at the levels portable, AVX2 and AVX-512 (the portable level of products is there for tests: it
//! fuses without the instruction).

pub mod activation;
pub mod gemm;
pub mod line;
pub mod masks;
pub mod normal;
pub mod piece;
pub mod real;
pub mod relu;
mod vector;

use std::cell::Cell;
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
            Level::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Level::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("fma")
            }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub fn is_available(self) -> bool {
        self == Level::Portable
    }
}

thread_local! {
    static CHOSEN: Cell<Option<Level>> = const { Cell::new(None) };
}

/// Runs `work` with all kernels that this thread calls at `level`, which must be available. For tests and benches: everything else runs
/// at [`Level::best`].
pub fn at_level<R>(level: Level, work: impl FnOnce() -> R) -> R {
    assert!(level.is_available(), "this processor has no {level:?}");
    struct Restore(Option<Level>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CHOSEN.set(self.0);
        }
    }
    let _restore = Restore(CHOSEN.replace(Some(level)));
    work()
}

/// The level that the kernels of this thread run at, which is available.
#[inline]
fn level() -> Level {
    CHOSEN.get().unwrap_or_else(Level::best)
}

/// Compiles the body of a kernel for every [`Level`] and dispatches on that of this thread.
///
/// `dispatch!(body [Generic: Bound] (name: Type, …) -> Result, values…)` calls `body`, which must be `#[inline(always)]`.
macro_rules! dispatch {
    ($body:path [$($generic:ident : $bound:path)?] ( $($argument:ident : $type:ty),* ) $(-> $result:ty)?,
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
        match $crate::kernels::level() {
            // SAFETY: the features were found on this processor before the level was chosen.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_restores_the_level() {
        let before = CHOSEN.get();
        std::panic::catch_unwind(|| at_level(Level::Portable, || panic!("on purpose"))).unwrap_err();
        assert_eq!(CHOSEN.get(), before);
    }
}
